import type pg from 'pg';
import { type ArchiveTarget, archiveFolder, recipientsOf } from '../../backup/index.ts';
import type { Config } from '../../config/index.ts';
import type { OpsContext } from '../../context/index.ts';
import { formatCount } from '../../log/index.ts';
import { type PostgresTarget, pgError } from '../../postgres/index.ts';
import { type ArchivePlaces, openArchivePlaces } from './archive-places.ts';
import type { CleanupSession } from './batch.ts';
import { childrenFirst, readForeignKeys } from './foreign-keys.ts';
import { type LoadLimits, readLoad } from './load.ts';
import type { CleanupData, RuleOutcome } from './outcome.ts';
import { countRule, indexWarnings } from './plan.ts';
import { pruneOld } from './prune-old.ts';
import { type CleanupOptions, type RuleResult, runRule } from './run-rule.ts';
import { openCleanupSession } from './session.ts';
import { type ResolvedRule, resolveRules } from './targets.ts';
import { vacuumTables } from './vacuum.ts';

const pollSeconds = 0.5;

/**
 * Follows every rule, what refers to others first. Nothing of it needs to be remembered: what a killed run has not deleted
 * is still too old for the next one.
 * @throws OpsError `CLEANUP_RULE`, `CLEANUP_RUNNING`, `CLEANUP_READ_ONLY`, `CONFIG_MISSING_VALUE` (archive without a
 * destination), `PG_*`, before anything is deleted; `CANCELLED`, `PG_LOST` also later
 */
export async function cleanUp(context: OpsContext, target: PostgresTarget, isDryRun: boolean): Promise<CleanupData> {
  const { database } = context.config;
  const places = openArchivePlaces(context);
  try {
    const lockTimeoutSeconds = database.cleanup.lockTimeout;
    const client = await openCleanupSession(target, { lockTimeoutSeconds, signal: context.signal });
    try {
      return await cleanUpOver(client, context, places, target, isDryRun);
    } catch (thrown) {
      throw pgError(thrown, target);
    } finally {
      await client.end().catch(() => {});
    }
  } finally {
    await Promise.allSettled(places.storages.map(storage => storage.close()));
  }
}

async function cleanUpOver(
  client: pg.Client,
  context: OpsContext,
  places: ArchivePlaces,
  target: PostgresTarget,
  isDryRun: boolean,
): Promise<CleanupData> {
  const { cleanup } = context.config.database;
  const resolved = await resolveRules(client, cleanup.rules);
  const session = await describe(client, context, places, target);
  const ordered = childrenFirst(resolved, session.keys);
  const started = context.now();
  const rules: RuleOutcome[] = [];
  const removed = new Map<string, number>();
  const rowsBefore = new Map(ordered.flatMap(({ targets }) => targets.map(each => [each.oid, each.rows] as const)));
  const deadline = Date.now() + cleanup.maxTime * 1000;
  for (const rule of ordered) {
    const before = new Date(started.getTime() - rule.rule.olderThan * 1000);
    const planned = await countRule(client, session.keys, rule, before);
    if (isDryRun) {
      rules.push(outcomeOf(rule, before, planned, undefined));
      continue;
    }
    const began = performance.now();
    const result = await follow(session, rule, before, context, { deadline, planned: planned.deletable });
    for (const [oid, count] of result.removed) removed.set(oid, (removed.get(oid) ?? 0) + count);
    const left = await countRule(client, session.keys, rule, before);
    rules.push({
      ...outcomeOf(rule, before, planned, result),
      left: { deletable: left.deletable, referenced: left.referenced },
      seconds: (performance.now() - began) / 1000,
    });
  }
  const { signal } = context;
  const ratio = cleanup.vacuumRatio;
  // A VACUUM takes as long as it takes, and holds nobody up.
  if (removed.size > 0) await client.query("select pg_catalog.set_config('statement_timeout', '0', false)");
  return {
    isDryRun,
    database: target.database,
    rules,
    archive:
      session.archivedBatches > 0 && session.archive
        ? {
            folder: archiveFolder(session.archive.id),
            destinations: places.storages.map(storage => storage.name),
            isEncrypted: session.archive.recipients.length > 0,
            keptSeconds: cleanup.keepArchives ?? null,
          }
        : null,
    pruned: await pruneOld(context, places, session.owner, { rules, started, isDryRun }),
    vacuumed: await vacuumTables(client, removed, { ratio, rowsBefore, signal }),
    warnings: ordered.flatMap(rule => indexWarnings(session.keys, rule)),
    notWatched: await notWatched(client, limitsOf(context.config)),
  };
}

async function follow(
  session: CleanupSession,
  rule: ResolvedRule,
  before: Date,
  context: OpsContext,
  { deadline, planned }: { deadline: number; planned: number | null },
): Promise<RuleResult> {
  const total = planned === null ? undefined : Math.min(planned, rule.rule.maxRowsPerRun);
  const progress = context.progress.start(`${rule.table}`, total, formatCount);
  const options: CleanupOptions = {
    batchSeconds: context.config.database.cleanup.batchTime,
    deadline,
    limits: limitsOf(context.config),
    pollSeconds,
    signal: context.signal,
    log: context.log,
    progress,
  };
  return runRule(session, rule, before, options).finally(() => progress.done());
}

function outcomeOf(
  { rule, table }: ResolvedRule,
  before: Date,
  planned: RuleOutcome['planned'],
  result: RuleResult | undefined,
): RuleOutcome {
  const removedRows = [...(result?.removed.values() ?? [])].reduce((sum, count) => sum + count, 0);
  return {
    table,
    column: rule.column,
    condition: rule.condition ?? null,
    before: before.toISOString(),
    isArchived: rule.archive,
    status: result?.status ?? 'planned',
    code: result?.code ?? null,
    message: result?.message ?? '',
    planned,
    deletedRows: result?.deletedRows ?? 0,
    cascadedRows: removedRows - (result?.deletedRows ?? 0),
    left: null,
    batches: result?.batches ?? 0,
    archivedBytes: result?.archivedBytes ?? 0,
    seconds: 0,
    pausedSeconds: result?.pausedSeconds ?? 0,
  };
}

async function describe(
  client: pg.Client,
  context: OpsContext,
  { storages }: ArchivePlaces,
  target: PostgresTarget,
): Promise<CleanupSession> {
  const { rows } = await client.query<{ database: string; encoding: string; version: string; major: number }>(
    `select current_database() as database, current_setting('server_encoding') as encoding,
            current_setting('server_version') as version,
            current_setting('server_version_num')::int / 10000 as major`,
  );
  const { database, encoding, version, major } = rows[0]!;
  const owner = { platform: context.config.platform, database };
  const archive: ArchiveTarget = {
    id: context.reportId,
    owner,
    storages,
    recipients: recipientsOf(context),
    compressionLevel: context.config.backup.compressionLevel,
    signal: context.signal,
  };
  return {
    client,
    target,
    keys: await readForeignKeys(client),
    owner,
    encoding,
    serverVersion: version,
    hasTidRanges: major >= 14,
    archive: storages.length > 0 ? archive : null,
    archivedBatches: 0,
    now: context.now,
  };
}

function limitsOf({ database }: Config): LoadLimits {
  const { activeSessions, lockWaits, replicaLag } = database.cleanup;
  return {
    activeSessions: activeSessions ?? database.machine.cores ?? null,
    lockWaits,
    replicaLagSeconds: replicaLag,
  };
}

async function notWatched(client: pg.Client, limits: LoadLimits): Promise<string[]> {
  if (limits.activeSessions === null) {
    return ['how many sessions are at work: set database.cleanup.activeSessions, or database.machine.cores'];
  }
  const { activeSessions } = await readLoad(client);
  return activeSessions === null
    ? ['how many sessions are at work, and the lag of replicas: GRANT pg_read_all_stats TO the role']
    : [];
}
