import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { OpsError } from '../errors/index.ts';
import { commitFiles, type GitHub, readText } from '../github/index.ts';
import type { Log } from '../log/index.ts';
import { guardSizes, replaceFile } from '../reports/index.ts';
import { type Desired, newestOfEach } from './desired.ts';
import { alertStateSchema, readingSchema } from './state.ts';

/**
 * What no issue can hold, in one small file beside the reports: breaches that are not announced yet, what the webhook was
 * told, and what could not be said to anybody. It is written only when it changes, which in quiet times is never.
 */

const pendingSchema = z.record(z.string(), z.strictObject({ since: z.iso.datetime() }));

const desiredSchema = z.strictObject({
  key: z.string(),
  id: z.string(),
  target: z.string().nullable(),
  kind: z.string(),
  severity: z.enum(['warning', 'critical']).nullable(),
  reading: readingSchema,
});

const memorySchema = z.strictObject({
  schema: z.literal('production-ops/alerts/1'),
  issues: z.strictObject({ pending: pendingSchema }),
  webhook: z.strictObject({
    pending: pendingSchema,
    alerts: z.record(z.string(), z.strictObject({ isOpen: z.boolean(), state: alertStateSchema })),
  }),
  /** To be said by the next run, whatever that is about. */
  unannounced: z.record(z.string(), desiredSchema),
});
export type Memory = z.infer<typeof memorySchema>;

export type Remembered = Memory['webhook']['alerts'][string];

/** Where it is kept. */
export interface AlertMemory {
  /** Empty when there is none yet. */
  read(): Promise<Memory>;
  /** `change` is given what is there at that moment, which another run may have written since `read`. */
  update(change: (memory: Memory) => Memory): Promise<void>;
}

export const memoryFile = 'alerts.json';

export function emptyMemory(): Memory {
  return {
    schema: 'production-ops/alerts/1',
    issues: { pending: {} },
    webhook: { pending: {}, alerts: {} },
    unannounced: {},
  };
}

/** Remembered for longer than any silence is sensible; and no more than a file should hold. */
const mostUnannounced = 200;

/** What could not be said, beside what is already waiting: the newest word on each, and the newest when there is too much. */
export function withUnannounced(memory: Memory, desired: readonly Desired[]): Memory['unannounced'] {
  const added = desired.map(({ history: _, ...each }) => each);
  const all = newestOfEach([...Object.values(memory.unannounced), ...added]);
  return Object.fromEntries(all.slice(-mostUnannounced).map(each => [each.key, each]));
}

/** @param folder of the reports */
export function createDirectoryMemory(folder: string, log: Log): AlertMemory {
  const path = join(folder, memoryFile);
  const read = async () => parseMemory(await readFolderText(path), log);
  return {
    read,
    async update(change) {
      const before = await read();
      const after = change(before);
      const text = memoryText(after);
      if (text === memoryText(before)) return;
      guard(text, log);
      try {
        await replaceFile(path, text);
      } catch (cause) {
        throw new OpsError('ALERTS_MEMORY', `Could not write ${path}: ${(cause as Error).message}`, {
          hint: 'Check that the reports folder (reports.path) is writable.',
          cause,
        });
      }
    },
  };
}

export interface GitHubMemoryOptions {
  github: GitHub;
  /** Default: the default branch. */
  branch: string | undefined;
  /** Of the reports, in the repository. */
  folder: string;
  signal: AbortSignal;
  log: Log;
}

/** The same file on a branch, changed by commits of its own. */
export function createGitHubMemory({ github, branch, folder, signal, log }: GitHubMemoryOptions): AlertMemory {
  const path = `${folder.replace(/^\.?\/+|\/+$/g, '')}/${memoryFile}`;
  return {
    read: async () => parseMemory(await readText(github, path, branch), log),
    async update(change) {
      await commitFiles(github, {
        branch,
        message: 'Alerts: what is waiting to be said',
        signal,
        async files(head) {
          const before = parseMemory(await head.read(path), log);
          const text = memoryText(change(before));
          if (text === memoryText(before)) return new Map();
          guard(text, log);
          return new Map([[path, text]]);
        },
      });
    },
  };
}

/** @throws OpsError `REPORT_SIZE` */
function guard(text: string, log: Log): void {
  for (const finding of guardSizes(new Map([[memoryFile, text]]), undefined)) log.warn(finding);
}

async function readFolderText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new OpsError('ALERTS_MEMORY', `Could not read ${path}: ${(error as Error).message}`);
  }
}

/** A file that somebody damaged is begun anew: what is open in issues is not in it. */
function parseMemory(text: string | undefined, log: Log): Memory {
  if (text === undefined || text.trim() === '') return emptyMemory();
  try {
    return memorySchema.parse(JSON.parse(text));
  } catch {
    log.warn(`${memoryFile} could not be understood and is begun anew; the webhook may hear of open alerts again`);
    return emptyMemory();
  }
}

/** Keys in order, so that the same content is the same text. */
function memoryText(memory: Memory): string {
  const sorted = <T>(record: Record<string, T>) =>
    Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
  const { issues, webhook, unannounced } = memory;
  return `${JSON.stringify(
    {
      schema: memory.schema,
      issues: { pending: sorted(issues.pending) },
      webhook: { pending: sorted(webhook.pending), alerts: sorted(webhook.alerts) },
      unannounced: sorted(unannounced),
    },
    null,
    2,
  )}\n`;
}
