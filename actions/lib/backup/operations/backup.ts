import { z } from 'zod';
import type { OpsContext } from '../../context/index.ts';
import { OpsError } from '../../errors/index.ts';
import { formatBytes, formatCount, formatDuration, formatRatio } from '../../log/index.ts';
import type { Check, Operation, Report } from '../../reports/index.ts';
import { backupOneDatabase, databaseTargets, planOneDatabase } from '../backup-database.ts';
import { backupFiles } from '../backup-files.ts';
import { openDestinations } from '../destinations.ts';
import { locateRoots } from '../files/roots.ts';
import type { MadeSet } from '../make-set.ts';
import type { Manifest } from '../sets/manifest.ts';

export const madeSetSchema = z.strictObject({
  kind: z.enum(['database', 'files']),
  id: z.string(),
  source: z.string(),
  snapshotAt: z.iso.datetime(),
  baseId: z.string().nullable(),
  isEncrypted: z.boolean(),
  parts: z.int(),
  reusedParts: z.int(),
  /** Of the whole set. */
  plainBytes: z.int(),
  storedBytes: z.int(),
  /** What this run sent to each destination. */
  sentBytes: z.int(),
  /** Tables or files. */
  entries: z.int(),
  rows: z.int().nullable(),
  seconds: z.number(),
  warnings: z.array(z.string()),
  destinations: z.array(z.strictObject({ name: z.string(), failure: z.string().nullable() })),
});

const dataSchema = z.strictObject({
  sets: z.array(madeSetSchema),
  /** Only for a dry run: what would be copied. */
  plan: z.array(
    z.strictObject({ source: z.string(), tables: z.int(), parts: z.int(), bytes: z.int(), server: z.string() }),
  ),
  /** Only for a dry run: the folders that would be archived. */
  folders: z.array(z.string()),
});
export type BackupData = z.infer<typeof dataSchema>;

export interface BackupInput {
  dryRun: boolean;
}

export const backupDatabaseOperation = operation('backup.database', ['database']);
export const backupFilesOperation = operation('backup.files', ['files']);
export const backupAllOperation = operation('backup.all', ['database', 'files']);

function operation(kind: string, what: readonly ('database' | 'files')[]): Operation<BackupInput, BackupData> {
  return {
    kind,
    dataSchema,
    async execute(input, context) {
      const data: BackupData = { sets: [], plan: [], folders: [] };
      const targets = what.includes('database') ? await databaseTargets(context) : [];
      if (what.includes('files') && context.config.backup.files.paths.length === 0) throw noFiles();
      if (input.dryRun) {
        for (const target of targets) data.plan.push(await describePlan(context, target));
        if (what.includes('files')) {
          data.folders.push(...(await locateRoots(context.config.backup.files.paths, context.cwd)).roots);
        }
        return { data, checks: [], isDryRun: true };
      }
      const storages = openDestinations(context);
      try {
        sayWhenNotEncrypted(context);
        for (const target of targets) {
          const made = await backupOneDatabase(context, storages, target);
          data.sets.push(describeSet(made));
        }
        if (what.includes('files')) data.sets.push(describeSet(await backupFiles(context, storages)));
      } finally {
        await Promise.all(storages.map(storage => storage.close()));
      }
      return { data, checks: data.sets.map(checkOf) };
    },
    lines,
    summary,
  };
}

async function describePlan(
  context: OpsContext,
  target: Parameters<typeof planOneDatabase>[1],
): Promise<BackupData['plan'][number]> {
  const plan = await planOneDatabase(context, target);
  return {
    source: target.database,
    tables: plan.catalog.tables.length,
    parts: plan.parts.length,
    bytes: plan.parts.reduce((sum, part) => sum + part.estimatedBytes, 0),
    server: plan.facts.version,
  };
}

function sayWhenNotEncrypted(context: OpsContext): void {
  if (context.config.backup.recipients.length > 0) return;
  context.log.warn('The backup is NOT ENCRYPTED: no recipient is set (BACKUP_AGE_RECIPIENTS or backup.recipients)');
}

function describeSet(made: MadeSet<Manifest>): BackupData['sets'][number] {
  const { manifest } = made;
  const sum = (of: (part: Manifest['parts'][number]) => number) =>
    manifest.parts.reduce((total, part) => total + of(part), 0);
  return {
    kind: manifest.kind,
    id: manifest.id,
    source: manifest.source,
    snapshotAt: manifest.snapshotAt,
    baseId: manifest.baseId,
    isEncrypted: manifest.recipients.length > 0,
    parts: manifest.parts.length,
    reusedParts: manifest.parts.filter(part => part.isReused).length,
    plainBytes: sum(part => part.plainBytes),
    storedBytes: sum(part => part.storedBytes),
    sentBytes: sum(part => (part.isReused ? 0 : part.storedBytes)),
    entries: manifest.kind === 'database' ? manifest.database.tables.length : manifest.files.entries,
    rows:
      manifest.kind === 'database' ? manifest.database.tables.reduce((total, table) => total + table.rows, 0) : null,
    seconds: (Date.parse(manifest.finishedAt) - Date.parse(manifest.startedAt)) / 1000,
    warnings: manifest.warnings,
    destinations: made.destinations.map(d => ({
      name: d.name,
      failure: d.failure ? `${d.failure.code}: ${d.failure.message}` : null,
    })),
  };
}

/** A set that is missing at one destination is a breach: the next disaster may take the other one. */
function checkOf(set: BackupData['sets'][number]): Check {
  const failed = set.destinations.filter(d => d.failure !== null);
  return {
    id: `backup.${set.kind}.destinations`,
    target: set.source,
    status: failed.length === 0 ? 'ok' : 'critical',
    value: set.destinations.length - failed.length,
    threshold: set.destinations.length,
    unit: 'destinations',
    message:
      failed.length === 0
        ? `Set ${set.id} is whole at ${set.destinations.length === 1 ? 'its destination' : `all ${set.destinations.length} destinations`}`
        : `Set ${set.id} is missing at ${failed.map(d => `${d.name} (${d.failure})`).join('; ')}`,
  };
}

function noFiles(): OpsError {
  return new OpsError('CONFIG_MISSING_VALUE', 'No folder to back up is configured', {
    hint: 'Set BACKUP_FILES_PATHS=/srv/uploads, or backup.files.paths in .github/ops.yml.',
    exit: 'usage',
  });
}

function lines(report: Report<BackupData>): string[] {
  const data = report.data;
  if (!data) return [];
  if (data.sets.length === 0) {
    return [
      ...data.plan.map(
        p =>
          `Would copy ${p.tables} tables of ${p.source} (PostgreSQL ${p.server}), about ${formatBytes(p.bytes)}, in ${p.parts} parts. Nothing was sent.`,
      ),
      ...data.folders.map(folder => `Would archive what is in ${folder}. Nothing was sent.`),
    ];
  }
  return data.sets.flatMap(set => [
    `${set.source}: set ${set.id}, ${what(set)}, ${formatBytes(set.plainBytes)} → ${formatBytes(set.storedBytes)} stored in ${formatDuration(set.seconds)}${set.isEncrypted ? '' : ', NOT ENCRYPTED'}`,
    ...(set.baseId && set.plainBytes > 0
      ? [
          `  unchanged since ${set.baseId}: ${set.reusedParts} of ${set.parts} parts; sent ${formatBytes(set.sentBytes)} (${formatRatio(set.sentBytes / Math.max(1, set.storedBytes))})`,
        ]
      : []),
    ...set.destinations.map(
      d => `  ${d.failure === null ? 'whole at' : 'MISSING at'} ${d.name}${d.failure ? `: ${d.failure}` : ''}`,
    ),
    ...set.warnings.map(warning => `  warning: ${warning}`),
  ]);
}

function what(set: BackupData['sets'][number]): string {
  return set.kind === 'database'
    ? `${formatCount(set.entries)} tables, ${formatCount(set.rows ?? 0)} rows`
    : `${formatCount(set.entries)} entries`;
}

function summary(report: Report<BackupData>): string {
  const data = report.data;
  if (!data) return `## Backup failed\n\n${report.error?.message ?? ''}\n\n${report.error?.hint ?? ''}\n`;
  const rows = data.sets.map(
    set =>
      `| ${set.source} | \`${set.id}\` | ${what(set)} | ${formatBytes(set.storedBytes)} | ${formatBytes(set.sentBytes)} | ${formatDuration(set.seconds)} | ${set.isEncrypted ? 'yes' : '**no**'} |`,
  );
  const warnings = data.sets.flatMap(set => set.warnings.map(w => `- ${set.source}: ${w}`));
  const failed = report.checks.filter(check => check.status !== 'ok').map(check => `- ${check.message}`);
  return [
    failed.length > 0 ? '## Backup incomplete' : '## Backup made',
    '',
    ...failed,
    '| source | set | content | stored | sent | time | encrypted |',
    '|---|---|---|---|---|---|---|',
    ...rows,
    '',
    ...warnings,
    '',
    'It counts when a drill has restored it.',
    '',
  ].join('\n');
}
