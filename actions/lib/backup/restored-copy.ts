import type { OpsContext } from '../context/index.ts';
import {
  connect,
  type PostgresTarget,
  pgError,
  quoteIdent,
  quoteLiteral,
  startThrowawayServer,
  withDatabase,
} from '../postgres/index.ts';
import type { Storage } from '../storage/index.ts';
import { type RestoreResult, restoreDatabase } from './database/restore.ts';
import { openDestinations } from './destinations.ts';
import { locateSet, type Wanted } from './locate.ts';
import type { DatabaseManifest } from './sets/manifest.ts';
import { readProofs, type Verdict } from './sets/set-store.ts';
import { identitiesOf } from './verdict.ts';

/** A set that was restored where nobody sees it: a server of its own, gone when this is disposed. */
export interface RestoredCopy extends AsyncDisposable {
  /** The superuser of the throw-away server, and the restored database. */
  target: PostgresTarget;
  manifest: DatabaseManifest;
  restore: RestoreResult;
  serverSeconds: number;
  /** What differs from production, e.g. a locale that this machine lacks. */
  notes: string[];
}

export interface CopyOptions {
  /** As a person would say it: `the drill of shop`. */
  purpose: string;
  settings?: Record<string, string | number | boolean>;
  /** Called when the empty database stands, also when the restore into it fails later. */
  onStart?: (started: Pick<RestoredCopy, 'serverSeconds' | 'notes'>) => void;
}

/**
 * Starts a server of the set's own major version and restores the set into it, with its roles.
 * @throws OpsError `AGE_*`, `PG_*`, `RESTORE_*`, `SET_DAMAGED`, `STORAGE_*`
 */
export async function restoreCopy(
  context: OpsContext,
  storage: Storage,
  manifest: DatabaseManifest,
  options: CopyOptions,
): Promise<RestoredCopy> {
  const startedAt = performance.now();
  const identities = identitiesOf(context);
  const server = await startThrowawayServer({
    major: manifest.database.major,
    purpose: options.purpose,
    settings: {
      max_connections: Math.max(20, context.config.backup.jobs * 3 + 10),
      maintenance_work_mem: '256MB',
      ...options.settings,
    },
    sharedBuffersMb: 256,
    signal: context.signal,
    log: context.log,
  });
  try {
    const target = withDatabase(server.target, manifest.source === 'postgres' ? 'postgres_restored' : manifest.source);
    const notes = [...server.notes, ...(await createDatabase(context, server.target, target.database, manifest))];
    const serverSeconds = (performance.now() - startedAt) / 1000;
    options.onStart?.({ serverSeconds, notes });
    const restore = await restoreDatabase({
      storage,
      manifest,
      target,
      identities,
      jobs: context.config.backup.jobs,
      tables: [],
      force: false,
      withRoles: true,
      noOwner: false,
      log: context.log,
      progress: context.progress,
      signal: context.signal,
    });
    return { target, manifest, restore, serverSeconds, notes, [Symbol.asyncDispose]: () => server.stop() };
  } catch (error) {
    await server.stop();
    throw error;
  }
}

/** A copy of a set that was looked for, and what the drills have said of that set. */
export interface LocatedCopy extends RestoredCopy {
  storageName: string;
  /** Of the newest drill of this set; null: none has looked at it. */
  verdict: Verdict | null;
}

/**
 * Finds a database set (`latest`, or an id) at the destinations and restores it.
 * @throws OpsError as `locateSet` and `restoreCopy`; `CONFIG_MISSING_VALUE` without a destination
 */
export async function restoreLocatedCopy(
  context: OpsContext,
  wanted: Omit<Wanted, 'kind'>,
  options: CopyOptions,
): Promise<LocatedCopy> {
  const storages = openDestinations(context);
  try {
    const { storage, manifest } = await locateSet(context, storages, { ...wanted, kind: 'database' });
    const database = manifest as DatabaseManifest;
    const proofs = await readProofs(storage, database, context.signal);
    const copy = await restoreCopy(context, storage, database, options);
    return { ...copy, storageName: storage.name, verdict: proofs.at(-1)?.verdict ?? null };
  } finally {
    await Promise.all(storages.map(storage => storage.close()));
  }
}

/** With the encoding and locale of the source; a locale this machine lacks is replaced, and said. */
async function createDatabase(
  context: OpsContext,
  server: PostgresTarget,
  name: string,
  manifest: DatabaseManifest,
): Promise<string[]> {
  const { database } = manifest;
  const client = await connect(server, { applicationName: 'production-ops copy', signal: context.signal });
  const create = (locale: string) =>
    client.query(
      `create database ${quoteIdent(name)} template template0 encoding ${quoteLiteral(database.encoding)} ${locale}`,
    );
  const asked =
    database.localeProvider !== 'libc' && database.icuLocale
      ? `locale_provider ${database.localeProvider} ${database.localeProvider}_locale ${quoteLiteral(database.icuLocale)} lc_collate ${quoteLiteral(database.collate)} lc_ctype ${quoteLiteral(database.ctype)}`
      : `lc_collate ${quoteLiteral(database.collate)} lc_ctype ${quoteLiteral(database.ctype)}`;
  try {
    await create(asked);
    return [];
  } catch {
    try {
      await create(`lc_collate 'C' lc_ctype 'C'`);
      return [`locale ${database.collate} is not on this machine: the copy uses C`];
    } catch (error) {
      throw pgError(error, server);
    }
  } finally {
    await client.end().catch(() => {});
  }
}
