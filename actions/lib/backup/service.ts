import { type LibraryOptions, libraryContext, type Operation } from '../reports/index.ts';
import { type BackupData, backupDatabaseOperation, backupFilesOperation } from './operations/backup.ts';
import { type DrillData, drillOperation } from './operations/drill.ts';
import { type ListedSet, listOperation } from './operations/list.ts';
import {
  type RestoreData,
  type RestoreInput,
  restoreDatabaseOperation,
  restoreFilesOperation,
} from './operations/restore.ts';
import { type VerifyData, type VerifyLevel, verifyOperation } from './operations/verify.ts';
import type { SetKind } from './sets/manifest.ts';

export type BackupServiceOptions = LibraryOptions;

export interface BackupStats {
  sets: number;
  /** At all destinations, shared parts counted once per destination. */
  sentBytes: number;
  sources: {
    kind: SetKind;
    source: string;
    sets: number;
    newestId: string;
    newestSnapshotAt: string;
    newestAgeSeconds: number;
    newestProvedId: string | null;
    newestProvedAgeSeconds: number | null;
  }[];
}

export interface BackupService {
  backupDatabase(): Promise<BackupData>;
  backupFiles(): Promise<BackupData>;
  /** @param options.to a PostgreSQL URL of an empty database */
  restoreDatabase(id: string, options: { to: string } & Partial<Omit<RestoreInput, 'id' | 'to'>>): Promise<RestoreData>;
  /** @param options.to an empty folder */
  restoreFiles(id: string, options: { to: string; source?: string; force?: boolean }): Promise<RestoreData>;
  verify(id: string, options?: { level?: VerifyLevel; kind?: SetKind; source?: string }): Promise<VerifyData>;
  drill(options?: { id?: string; kind?: SetKind; source?: string }): Promise<DrillData>;
  /** Every set at every destination, newest first. */
  history(options?: { kind?: SetKind; source?: string }): Promise<ListedSet[]>;
  stats(): Promise<BackupStats>;
}

/**
 * The backup as a library. Every call reads the configuration anew and throws `OpsError`; a drill or a verification
 * that finds something does not throw, its verdict says so.
 */
export function createBackupService(options: BackupServiceOptions = {}): BackupService {
  const run = async <Input, Data>(operation: Operation<Input, Data>, input: Input): Promise<Data> =>
    (await operation.execute(input, libraryContext(options))).data;
  const history: BackupService['history'] = async (of = {}) =>
    (await run(listOperation, { kind: of.kind, source: of.source })).sets;
  return {
    backupDatabase: () => run(backupDatabaseOperation, { dryRun: false }),
    backupFiles: () => run(backupFilesOperation, { dryRun: false }),
    restoreDatabase: (id, input) => run(restoreDatabaseOperation, { ...restoreDefaults, ...input, id }),
    restoreFiles: (id, input) => run(restoreFilesOperation, { ...restoreDefaults, ...input, id }),
    verify: (id, of = {}) =>
      run(verifyOperation, { id, level: of.level ?? 'content', kind: of.kind, source: of.source, from: undefined }),
    drill: (of = {}) =>
      run(drillOperation, { id: of.id ?? 'latest', kind: of.kind, source: of.source, from: undefined }),
    history,
    stats: async () => summarise(await history(), new Date()),
  };
}

/** With the environment and the configuration of the working directory. */
export const backupService: BackupService = createBackupService();

const restoreDefaults: Omit<RestoreInput, 'id' | 'to'> = {
  source: undefined,
  from: undefined,
  jobs: undefined,
  tables: [],
  force: false,
  withRoles: false,
  noOwner: false,
  dryRun: false,
};

function summarise(sets: readonly ListedSet[], now: Date): BackupStats {
  const whole = sets.filter(set => set.problem === null && set.source !== null);
  const sources = [...Map.groupBy(whole, set => `${set.kind} ${set.source}`).values()].map(group => {
    const newestFirst = group.sort((a, b) => (a.id < b.id ? 1 : -1));
    const newest = newestFirst[0]!;
    const proved = newestFirst.find(set => set.verdict === 'PROVED');
    const age = (set: ListedSet) => (now.getTime() - Date.parse(set.snapshotAt!)) / 1000;
    return {
      kind: newest.kind,
      source: newest.source!,
      // One set at three destinations is one set.
      sets: new Set(group.map(set => set.id)).size,
      newestId: newest.id,
      newestSnapshotAt: newest.snapshotAt!,
      newestAgeSeconds: age(newest),
      newestProvedId: proved?.id ?? null,
      newestProvedAgeSeconds: proved ? age(proved) : null,
    };
  });
  return {
    sets: new Set(whole.map(set => set.id)).size,
    sentBytes: whole.reduce((sum, set) => sum + (set.sentBytes ?? 0), 0),
    sources,
  };
}
