import { resolve } from 'node:path';
import { z } from 'zod';
import { OpsError } from '../../errors/index.ts';
import { formatBytes, formatCount, formatDuration } from '../../log/index.ts';
import { parsePostgresUrl } from '../../postgres/index.ts';
import type { Operation } from '../../reports/index.ts';
import type { Storage } from '../../storage/index.ts';
import { restoreDatabase } from '../database/restore.ts';
import { openDestinations } from '../destinations.ts';
import { restoreFiles } from '../files/restore-files.ts';
import { locateSet } from '../locate.ts';
import { identitiesOf } from '../verdict.ts';
import { chosenSet, chosenSetSchema } from './chosen-set.ts';

const dataSchema = z.strictObject({
  set: chosenSetSchema,
  /** Where it went, without its password. */
  target: z.string(),
  isDryRun: z.boolean(),
  rows: z.int().nullable(),
  plainBytes: z.int(),
  seconds: z.number(),
  timings: z.record(z.string(), z.number()),
});
export type RestoreData = z.infer<typeof dataSchema>;

export interface RestoreInput {
  id: string;
  source: string | undefined;
  from: Storage['kind'] | undefined;
  /** A PostgreSQL URL, or a folder. */
  to: string;
  jobs: number | undefined;
  tables: readonly string[];
  force: boolean;
  withRoles: boolean;
  noOwner: boolean;
  dryRun: boolean;
}

export const restoreDatabaseOperation: Operation<RestoreInput, RestoreData> = {
  kind: 'restore.database',
  dataSchema,
  async execute(input, context) {
    const target = parsePostgresUrl(input.to);
    const storages = openDestinations(context);
    try {
      const { storage, manifest } = await locateSet(context, storages, { ...input, kind: 'database' });
      if (manifest.kind !== 'database') throw wrongKind(manifest.id, 'database');
      const data: RestoreData = {
        set: chosenSet(manifest, storage),
        target: target.display,
        isDryRun: input.dryRun,
        rows: manifest.database.tables.reduce((sum, table) => sum + table.rows, 0),
        plainBytes: manifest.parts.filter(part => part.role === 'rows').reduce((sum, part) => sum + part.plainBytes, 0),
        seconds: 0,
        timings: {},
      };
      if (input.dryRun) return { data, checks: [], isDryRun: true };
      const restored = await restoreDatabase({
        storage,
        manifest,
        target,
        identities: identitiesOf(context),
        jobs: input.jobs ?? context.config.backup.jobs,
        tables: input.tables,
        force: input.force,
        withRoles: input.withRoles,
        noOwner: input.noOwner,
        log: context.log,
        progress: context.progress,
        signal: context.signal,
      });
      const { timings, rows, plainBytes } = restored;
      return {
        data: { ...data, rows, plainBytes, seconds: timings.totalSeconds, timings: { ...timings } },
        checks: [],
      };
    } finally {
      await Promise.all(storages.map(storage => storage.close()));
    }
  },
  lines: ({ data }) => (data ? restoreLines(data) : []),
  summary: ({ data, error }) => restoreSummary(data, error),
};

export const restoreFilesOperation: Operation<RestoreInput, RestoreData> = {
  kind: 'restore.files',
  dataSchema,
  async execute(input, context) {
    const targetDir = resolve(context.cwd, input.to);
    const storages = openDestinations(context);
    try {
      const { storage, manifest } = await locateSet(context, storages, { ...input, kind: 'files' });
      if (manifest.kind !== 'files') throw wrongKind(manifest.id, 'files');
      const startedAt = performance.now();
      const plainBytes = manifest.parts
        .filter(part => part.role === 'archive')
        .reduce((sum, part) => sum + part.plainBytes, 0);
      if (!input.dryRun) {
        await restoreFiles({
          storage,
          manifest,
          identities: identitiesOf(context),
          targetDir,
          force: input.force,
          log: context.log,
          progress: context.progress,
          signal: context.signal,
        });
      }
      const data: RestoreData = {
        set: chosenSet(manifest, storage),
        target: targetDir,
        isDryRun: input.dryRun,
        rows: null,
        plainBytes,
        seconds: input.dryRun ? 0 : (performance.now() - startedAt) / 1000,
        timings: {},
      };
      return { data, checks: [], isDryRun: input.dryRun };
    } finally {
      await Promise.all(storages.map(storage => storage.close()));
    }
  },
  lines: ({ data }) => (data ? restoreLines(data) : []),
  summary: ({ data, error }) => restoreSummary(data, error),
};

function wrongKind(id: string, kind: string): OpsError {
  return new OpsError('SET_UNKNOWN', `Set ${id} is not a ${kind} set`, {
    hint: `List them with: ops backup list --kind ${kind}.`,
  });
}

function restoreLines(data: RestoreData): string[] {
  const content =
    data.rows === null
      ? formatBytes(data.plainBytes)
      : `${formatCount(data.rows)} rows, ${formatBytes(data.plainBytes)}`;
  const of = `set ${data.set.id} of ${data.set.source} (snapshot of ${data.set.snapshotAt}) from ${data.set.storage}`;
  if (data.isDryRun) return [`Would restore ${of} into ${data.target}: ${content}. Nothing was changed.`];
  return [`Restored ${of} into ${data.target}: ${content} in ${formatDuration(data.seconds)}`];
}

function restoreSummary(
  data: RestoreData | null,
  error: { message: string; hint?: string | undefined } | null,
): string {
  if (!data) return `## Restore failed\n\n${error?.message ?? ''}\n\n${error?.hint ?? ''}\n`;
  return [`## ${data.isDryRun ? 'Restore planned' : 'Restored'}`, '', ...restoreLines(data), ''].join('\n');
}
