import type { DatabaseConfig } from '../../../config/index.ts';
import type { OpsError } from '../../../errors/index.ts';
import { type PostgresTarget, pgError } from '../../../postgres/index.ts';
import { type DatabaseSession, openSession, type Privileges, type Unseen, unseenOf } from '../../session/index.ts';
import {
  type ActivityFacts,
  type PreparedTransaction,
  type Progress,
  type ReplicaFacts,
  readActivity,
  readOwnLag,
  readPreparedTransactions,
  readProgress,
  readReplicas,
  readSlots,
  type SlotFacts,
} from './activity.ts';
import { type ColumnFacts, readColumns, readUndeduplicated } from './columns.ts';
import {
  type ForeignKeyFacts,
  type InvalidConstraint,
  readForeignKeys,
  readInvalidConstraints,
} from './constraints.ts';
import { type IndexFacts, readIndexes } from './indexes.ts';
import {
  type CheckpointFacts,
  type DatabaseCounters,
  type DatabaseSize,
  type EncryptionFacts,
  type ExtensionFacts,
  readCheckpoints,
  readCounters,
  readDatabaseSizes,
  readEncryption,
  readExtensions,
  readSettings,
  type Setting,
} from './instance.ts';
import { readTables, type TableFacts } from './relations.ts';
import { readSequences, type SequenceFacts } from './sequences.ts';

/** Everything that the health checks judge; they ask the server for nothing. */
export interface CollectedFacts {
  at: Date;
  database: string;
  versionNum: number;
  major: number;
  isInRecovery: boolean;
  privileges: Privileges;
  tables: TableFacts[];
  indexes: IndexFacts[];
  foreignKeys: ForeignKeyFacts[];
  invalidConstraints: InvalidConstraint[];
  sequences: SequenceFacts[];
  /** Of the tables that are large enough to matter, or have an index that is. */
  columns: ColumnFacts[];
  undeduplicated: ReadonlySet<number>;
  activity: ActivityFacts[];
  prepared: PreparedTransaction[];
  progress: Progress[];
  replicas: ReplicaFacts[];
  slots: SlotFacts[];
  ownLag: { seconds: number | null; bytes: number | null };
  settings: ReadonlyMap<string, Setting>;
  counters: DatabaseCounters | null;
  databases: DatabaseSize[];
  extensions: ExtensionFacts[];
  encryption: EncryptionFacts;
  checkpoints: CheckpointFacts;
  /** What replicas know of their own use of the indexes. */
  elsewhere: ReplicaUse[];
  unseen: Unseen[];
  /** What could not be read, and why: a check that needs it is not known. */
  failures: ReadonlyMap<FactName, OpsError>;
}

export type FactName = Exclude<
  keyof CollectedFacts,
  'at' | 'database' | 'versionNum' | 'major' | 'isInRecovery' | 'privileges' | 'unseen' | 'failures'
>;

export interface ReplicaUse {
  /** Without its password. */
  server: string;
  sinceSeconds: number;
  /** By `schema.index`. */
  scans: ReadonlyMap<string, { scans: number; usedAt: string | null }>;
}

export interface CollectOptions {
  config: DatabaseConfig;
  replicas: readonly PostgresTarget[];
  now: Date;
  signal?: AbortSignal;
}

/** Reads the facts, each in a short transaction of its own; one that cannot be read costs its checks and nothing else. */
export async function collectFacts(session: DatabaseSession, options: CollectOptions): Promise<CollectedFacts> {
  const { config, signal } = options;
  const failures = new Map<FactName, OpsError>();
  const ask = async <T>(name: FactName, reading: () => Promise<T>, otherwise: T): Promise<T> => {
    try {
      return await reading();
    } catch (thrown) {
      const error = pgError(thrown, session.target);
      if (signal?.aborted || error.code === 'PG_LOST' || error.code === 'CANCELLED') throw error;
      failures.set(name, error);
      return otherwise;
    }
  };
  const ignored = config.ignoreSchemas;
  const tables = await ask('tables', () => readTables(session, ignored), []);
  const indexes = await ask('indexes', () => readIndexes(session, ignored), []);
  const sequences = await ask('sequences', () => readSequences(session, ignored), []);
  const described = tablesToDescribe(tables, indexes, config);
  const opclasses = [...new Set(indexes.filter(({ method }) => method === 'btree').flatMap(({ keys }) => keys))];
  return {
    at: options.now,
    database: session.database,
    versionNum: session.versionNum,
    major: session.major,
    isInRecovery: session.isInRecovery,
    privileges: session.privileges,
    tables,
    indexes,
    sequences,
    foreignKeys: await ask('foreignKeys', () => readForeignKeys(session, ignored), []),
    invalidConstraints: await ask('invalidConstraints', () => readInvalidConstraints(session, ignored), []),
    columns: await ask('columns', () => readColumns(session, described), []),
    undeduplicated: await ask(
      'undeduplicated',
      () => readUndeduplicated(session, [...new Set(opclasses.map(({ opclass }) => opclass))]),
      new Set(),
    ),
    activity: await ask('activity', () => readActivity(session), []),
    prepared: await ask('prepared', () => readPreparedTransactions(session), []),
    progress: await ask('progress', () => readProgress(session), []),
    replicas: await ask('replicas', () => readReplicas(session), []),
    slots: await ask('slots', () => readSlots(session), []),
    ownLag: session.isInRecovery
      ? await ask('ownLag', () => readOwnLag(session), { seconds: null, bytes: null })
      : { seconds: null, bytes: null },
    settings: await ask('settings', () => readSettings(session), new Map()),
    counters: await ask('counters', () => readCounters(session), null),
    databases: await ask('databases', () => readDatabaseSizes(session), []),
    extensions: await ask('extensions', () => readExtensions(session), []),
    encryption: await ask('encryption', () => readEncryption(session), { isOffered: false, plain: [] }),
    checkpoints: await ask('checkpoints', () => readCheckpoints(session), { timed: 0, requested: 0 }),
    elsewhere: await ask('elsewhere', () => readElsewhere(options), []),
    unseen: unseenOf(session.privileges, session.major),
    failures,
  };
}

/** Column statistics of thousands of small tables would tell nothing that a threshold is about. */
function tablesToDescribe(
  tables: readonly TableFacts[],
  indexes: readonly IndexFacts[],
  { thresholds }: DatabaseConfig,
): number[] {
  const smallestIndex = Math.min(thresholds.indexBloatBytes, thresholds.nullIndexBytes);
  return [
    ...new Set([
      ...tables.filter(({ mainBytes }) => mainBytes > thresholds.tableBloatBytes).map(({ oid }) => oid),
      ...tables.filter(({ rows }) => (rows ?? 0) > integerKeyRows).map(({ oid }) => oid),
      ...indexes.filter(({ bytes }) => bytes > smallestIndex).map(({ tableOid }) => tableOid),
    ]),
  ];
}

/** A table with fewer rows is nowhere near the end of its integer key. */
const integerKeyRows = 1_000_000;

async function readElsewhere({ replicas, signal }: CollectOptions): Promise<ReplicaUse[]> {
  const found: ReplicaUse[] = [];
  for (const target of replicas) {
    await using session = await openSession(target, {
      applicationName: 'production-ops analyze',
      ...(signal && { signal }),
    });
    const counters = await readCounters(session);
    const indexes = await readIndexes(session, []);
    found.push({
      server: target.display,
      sinceSeconds: counters.seconds,
      scans: new Map(indexes.map(({ schema, name, scans, usedAt }) => [`${schema}.${name}`, { scans, usedAt }])),
    });
  }
  return found;
}
