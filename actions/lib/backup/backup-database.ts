import type { OpsContext } from '../context/index.ts';
import { OpsError } from '../errors/index.ts';
import { connect, type PostgresTarget, parsePostgresUrl, pgError, withDatabase } from '../postgres/index.ts';
import { idTime } from '../reports/index.ts';
import type { Storage } from '../storage/index.ts';
import { type DumpOptions, type DumpPlan, type DumpResult, dumpDatabase, planDump } from './database/dump.ts';
import { type MadeSet, makeSet } from './make-set.ts';
import { recipientsOf } from './recipients.ts';
import { partFolder } from './sets/keys.ts';
import type { DatabaseManifest } from './sets/manifest.ts';

export interface DatabaseBackup extends MadeSet<DatabaseManifest> {
  timings: DumpResult['timings'];
}

/**
 * One database into one set.
 * @param tuning for tests: smaller segments, a shorter wait for locks
 * @throws OpsError as `makeSet` and `dumpDatabase`
 */
export async function backupOneDatabase(
  context: OpsContext,
  storages: readonly Storage[],
  target: PostgresTarget,
  tuning: Pick<DumpOptions, 'segmentBytes' | 'lockTimeoutSeconds'> = {},
): Promise<DatabaseBackup> {
  let timings: DumpResult['timings'] | undefined;
  const made = await makeSet<DatabaseManifest>(context, storages, {
    kind: 'database',
    source: target.database,
    mayBuildOn: base => mayBuildOn(base, context),
    async make({ id, destinations, base }) {
      const dump = await dumpDatabase({
        ...dumpOptions(context, target),
        ...tuning,
        setId: id,
        partFolder: partFolder('database', id),
        destinations,
        base,
      });
      timings = dump.timings;
      return {
        snapshotAt: dump.snapshotAt.toISOString(),
        baseId: dump.baseId,
        parts: dump.parts,
        warnings: dump.warnings,
        database: dump.database,
      };
    },
  });
  return { ...made, timings: timings! };
}

/** What `backup database --dry-run` shows. */
export function planOneDatabase(context: OpsContext, target: PostgresTarget): Promise<DumpPlan> {
  return planDump({ ...dumpOptions(context, target), setId: '', partFolder: '', destinations: [], base: undefined });
}

/**
 * The databases that a run backs up: those configured, `*` for every one that accepts connections, or the URL's own.
 * @throws OpsError `CONFIG_MISSING_VALUE`, `PG_URL`, `PG_*`
 */
export async function databaseTargets(context: OpsContext): Promise<PostgresTarget[]> {
  const target = sourceDatabase(context);
  const { databases } = context.config.backup.database;
  if (databases.length === 0) return [target];
  if (!databases.includes('*')) return databases.map(name => withDatabase(target, name));
  const client = await connect(target, { signal: context.signal, applicationName: 'production-ops backup' });
  try {
    const { rows } = await client.query<{ name: string }>(
      `select datname as name from pg_database where datallowconn and not datistemplate
          and has_database_privilege(datname, 'CONNECT') order by datname`,
    );
    return rows.map(row => withDatabase(target, row.name));
  } catch (error) {
    throw pgError(error, target);
  } finally {
    await client.end().catch(() => {});
  }
}

export function sourceDatabase(context: OpsContext): PostgresTarget {
  if (context.secrets.databaseUrl) return parsePostgresUrl(context.secrets.databaseUrl);
  throw new OpsError('CONFIG_MISSING_VALUE', 'DATABASE_URL is not set', {
    hint: 'Set DATABASE_URL=postgres://user:password@host:5432/database in the environment.',
    exit: 'usage',
  });
}

function mayBuildOn(base: DatabaseManifest, context: OpsContext): true | string {
  const { backup } = context.config;
  const recipients = recipientsOf(context);
  if ([...base.recipients].sort().join() !== [...recipients].sort().join()) return 'the recipients have changed';
  const fullAt = idTime(base.database.fullSetId).getTime();
  const ageDays = (context.now().getTime() - fullAt) / 86_400_000;
  return ageDays < backup.database.fullEveryDays
    ? true
    : `every row is sent at least every ${backup.database.fullEveryDays} days`;
}

function dumpOptions(context: OpsContext, target: PostgresTarget) {
  const { backup } = context.config;
  return {
    target,
    recipients: recipientsOf(context),
    compressionLevel: backup.compressionLevel,
    jobs: backup.jobs,
    includeTables: backup.database.includeTables,
    excludeTables: backup.database.excludeTables,
    excludeTableData: backup.database.excludeTableData,
    fingerprintLevel: backup.database.fingerprints,
    log: context.log,
    progress: context.progress,
    signal: context.signal,
  };
}
