import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { OpsError } from '../../errors/index.ts';
import type { Log, Progress } from '../../log/index.ts';
import {
  type ClientTools,
  clientProgram,
  connect,
  type PostgresTarget,
  quoteQualified,
  withoutTimeLimits,
  workFailure,
} from '../../postgres/index.ts';
import { runChild } from '../../process/index.ts';
import type { Storage } from '../../storage/index.ts';
import { readPart } from '../parts/part-reader.ts';
import { type DatabaseManifest, partOf } from '../sets/manifest.ts';
import { connectionName } from './archive.ts';
import type { Entry } from './contents.ts';
import { readDefinitions, restoreHint, restoreSection, type Section } from './definitions.ts';
import { TableIndexes } from './indexes.ts';
import { loadRows } from './load.ts';
import { compilePatterns } from './patterns.ts';
import { restoreProperties } from './properties.ts';
import { prepareTarget } from './restore-target.ts';

export interface RestoreOptions {
  storage: Storage;
  manifest: DatabaseManifest;
  target: PostgresTarget;
  identities: readonly string[];
  jobs: number;
  /** Rows of these tables only (patterns); definitions are whole, foreign keys are left out. Empty: everything. */
  tables: readonly string[];
  /** Drop everything in the target database first. */
  force: boolean;
  /** Create the recorded roles that are missing. */
  withRoles: boolean;
  /** Leave owners and grants out: everything belongs to the user that restores. */
  noOwner: boolean;
  log: Log;
  progress: Progress;
  signal: AbortSignal;
}

export interface RestoreResult {
  rows: number;
  plainBytes: number;
  timings: {
    definitionsSeconds: number;
    rowsSeconds: number;
    indexesSeconds: number;
    analyzeSeconds: number;
    totalSeconds: number;
  };
}

/**
 * A set into an empty database: roles on request, definitions, rows by several connections, then indexes, constraints
 * and triggers, then statistics, then what the database itself had. A part is committed only after its hashes match the
 * manifest.
 * @throws OpsError `RESTORE_NOT_EMPTY`, `RESTORE_MAJOR`, `RESTORE_ROLE`, `RESTORE_EXTENSION`, `RESTORE_NO_TABLE`,
 *   `PG_RESTORE`, `SET_DAMAGED`, `AGE_NO_MATCH`, `PG_*`, `STORAGE_*`
 */
export async function restoreDatabase(options: RestoreOptions): Promise<RestoreResult> {
  const { manifest, target } = options;
  const chosen = chooseTables(manifest, options.tables);
  const prepared = await prepareTarget(options);
  const scratch = await mkdtemp(join(tmpdir(), 'ops-restore-'));
  const clock = stopwatch();
  try {
    const definitions = await readDefinitions(prepared, scratch, options);
    const section = async (name: Section, title: string, entries: readonly Entry[] = definitions.entries) => {
      using _ = started(options.progress, title);
      await restoreSection(name, entries, definitions, options);
    };
    await section('pre-data', 'definitions');
    const definitionsSeconds = clock.lap();
    const indexes = new TableIndexes(definitions, options);
    const loaded = await loadRows(options, chosen, indexes);
    const rowsSeconds = clock.lap();
    await restoreBlobs(prepared.tools, options);
    await section('data', 'sequences');
    await section('post-data', 'indexes and constraints', indexes.left());
    const indexesSeconds = clock.lap();
    await analyze(options);
    await restoreProperties(prepared.tools, options);
    const analyzeSeconds = clock.lap();
    return {
      ...loaded,
      timings: { definitionsSeconds, rowsSeconds, indexesSeconds, analyzeSeconds, totalSeconds: clock.total() },
    };
  } catch (error) {
    throw await workFailure(error, target);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Indexes into the manifest's tables; undefined: all. */
function chooseTables(manifest: DatabaseManifest, patterns: readonly string[]): Set<number> | undefined {
  if (patterns.length === 0) return undefined;
  const compiled = compilePatterns(patterns);
  const chosen = new Set(manifest.database.tables.flatMap((table, i) => (compiled.matches(table) ? [i] : [])));
  const unmatched = compiled.unmatched();
  if (unmatched.length > 0) {
    throw new OpsError(
      'RESTORE_NO_TABLE',
      `No table of set ${manifest.id} matches ${unmatched.map(p => `'${p}'`).join(', ')}`,
      {
        hint: 'The tables of a set stand at the end of its RESTORE.md.',
        exit: 'usage',
      },
    );
  }
  return chosen;
}

async function restoreBlobs(tools: ClientTools, options: RestoreOptions): Promise<void> {
  const part = partOf(options.manifest, 'blobs');
  if (!part || options.tables.length > 0) return;
  await runChild({
    ...clientProgram(options.target, {
      command: tools.pgRestore,
      args: [
        '--exit-on-error',
        '--no-password',
        `--dbname=${connectionName(options.target.database)}`,
        ...(options.noOwner ? ['--no-owner', '--no-privileges'] : []),
      ],
      signal: options.signal,
      errorCode: 'PG_RESTORE',
      name: 'pg_restore',
      hint: restoreHint,
    }),
    input: Readable.from(readPart(options.storage, part, options)),
  });
}

/** Planner statistics, table by table over `jobs` connections: without them the first hours after a restore are slow. */
async function analyze(options: RestoreOptions): Promise<void> {
  const queue = options.manifest.database.tables.filter(table => table.rows > 0).sort((a, b) => b.rows - a.rows);
  const task = options.progress.start('statistics', queue.length);
  const worker = async () => {
    const client = await connect(options.target, {
      applicationName: 'production-ops restore',
      signal: options.signal,
      settings: withoutTimeLimits,
    });
    try {
      for (let table = queue.shift(); table !== undefined; table = queue.shift()) {
        await client.query(`analyze ${quoteQualified(table.schema, table.name)}`);
        task.advance(1);
      }
    } finally {
      await client.end().catch(() => {});
    }
  };
  try {
    await Promise.all(Array.from({ length: options.jobs }, worker));
  } finally {
    task.done();
  }
}

function started(progress: Progress, title: string): Disposable {
  const task = progress.start(title);
  return { [Symbol.dispose]: () => task.done() };
}

function stopwatch() {
  const startedAt = performance.now();
  let lapAt = startedAt;
  return {
    lap() {
      const now = performance.now();
      const seconds = (now - lapAt) / 1000;
      lapAt = now;
      return seconds;
    },
    total: () => (performance.now() - startedAt) / 1000,
  };
}
