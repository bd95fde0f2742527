import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import { vi } from 'vitest';
import { stringify } from 'yaml';
import type { z } from 'zod';
import { generateIdentity, recipientOf } from '../../actions/lib/age/index.ts';
import { backupOneDatabase, type DatabaseBackup } from '../../actions/lib/backup/backup-database.ts';
import { type Evidence, evidenceSchema } from '../../actions/lib/backup/database/evidence.ts';
import { type Comparison, compareRestored } from '../../actions/lib/backup/database/prove.ts';
import { type RestoreOptions, type RestoreResult, restoreDatabase } from '../../actions/lib/backup/database/restore.ts';
import { readPartWhole } from '../../actions/lib/backup/parts/part-reader.ts';
import type { DatabaseManifest, Part } from '../../actions/lib/backup/sets/manifest.ts';
import { type AssertionConfig, type configSchema, loadConfig } from '../../actions/lib/config/index.ts';
import type { OpsContext } from '../../actions/lib/context/index.ts';
import { OpsError } from '../../actions/lib/errors/index.ts';
import { noProgress } from '../../actions/lib/log/index.ts';
import {
  connect,
  type PostgresTarget,
  quoteIdent,
  startThrowawayServer,
  type ThrowawayOptions,
  type ThrowawayServer,
  withDatabase,
} from '../../actions/lib/postgres/index.ts';
import { newReportId } from '../../actions/lib/reports/index.ts';
import { createLocalStorage, type Storage } from '../../actions/lib/storage/index.ts';

// A backup and its restore on a machine that does other things, too.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

/** The file's content, as one would write it in YAML. */
export type ConfigInput = z.input<typeof configSchema>;

export interface TestContext extends OpsContext {
  /** Every log line of this context, `level: message`. */
  readonly lines: string[];
}

export interface ContextOptions {
  /** Laid over DATABASE_URL, BACKUP_LOCAL_PATH, BACKUP_AGE_RECIPIENTS and BACKUP_AGE_IDENTITY of this world. */
  env?: Record<string, string | undefined>;
  /** Written to a file and read as `.github/ops.yml` is. */
  config?: ConfigInput;
  signal?: AbortSignal;
  now?: () => Date;
}

export interface BackupOptions extends ContextOptions {
  /** Default: the world's own local folder. */
  storages?: Storage[];
  /** Smaller segments than 16 MiB: a power of two. */
  segmentBytes?: number;
  /** Default 60. */
  lockTimeoutSeconds?: number;
  /** Lines of the log go here, too. */
  lines?: string[];
}

/**
 * A throw-away PostgreSQL, a folder for backups and one for everything else, and a key pair; all gone when disposed.
 * One for each test file: `beforeAll(async () => { world = await openWorld(); })`, `afterAll(() => world?.close())`.
 */
export interface World extends AsyncDisposable {
  readonly server: ThrowawayServer;
  /** Removed with the world. */
  readonly folder: string;
  /** `<folder>/backups`, and the storage in it. */
  readonly backups: string;
  readonly storage: Storage;
  readonly identity: string;
  readonly recipient: string;
  /** Creates a database and runs `sql` in it; `create` is what follows CREATE DATABASE, e.g. `encoding 'LATIN1'`. */
  database(name: string, sql?: string, create?: string): Promise<PostgresTarget>;
  /** A new, empty database with a name that was not used before. */
  emptyDatabase(create?: string): Promise<PostgresTarget>;
  /** Rows of one query as objects, over a connection of its own; several statements give the rows of the last. */
  query<T extends pg.QueryResultRow = Record<string, unknown>>(
    target: PostgresTarget,
    sql: string,
    values?: unknown[],
  ): Promise<T[]>;
  /** A connection that is ended with the world. */
  connect(target: PostgresTarget): Promise<pg.Client>;
  /** Encrypted to the world's recipient unless `env` says `BACKUP_AGE_RECIPIENTS: undefined`. */
  context(options?: ContextOptions): Promise<TestContext>;
  backup(target: PostgresTarget, options?: BackupOptions): Promise<DatabaseBackup>;
  /** Into `options.target`, or a new empty database of the same encoding and locale. */
  restore(
    manifest: DatabaseManifest,
    options?: Partial<RestoreOptions>,
  ): Promise<{ target: PostgresTarget; result: RestoreResult }>;
  /** Compares a restored database with the evidence of the set. */
  compare(
    manifest: DatabaseManifest,
    target: PostgresTarget,
    options?: { assertions?: AssertionConfig[]; storage?: Storage },
  ): Promise<Comparison>;
  /** Restores into a new database, compares; the findings are empty when the set is right. */
  prove(
    manifest: DatabaseManifest,
    options?: Partial<RestoreOptions>,
  ): Promise<{ target: PostgresTarget; findings: string[]; comparison: Comparison }>;
  evidence(manifest: DatabaseManifest, storage?: Storage): Promise<Evidence>;
  close(): Promise<void>;
}

export async function openWorld(options: Partial<ThrowawayOptions> = {}): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), 'ops-test-world-'));
  try {
    const server = await startThrowawayServer({
      purpose: 'a backup test',
      ...options,
      settings: { max_prepared_transactions: 10, ...options.settings },
    });
    const identity = await generateIdentity();
    return new TestWorld(server, folder, identity, await recipientOf(identity));
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

/** The OpsError of an attempt that must fail. */
export async function failureOf(attempt: Promise<unknown>): Promise<OpsError> {
  const thrown = await attempt.then(
    () => new Error('it worked, and should have failed'),
    (error: unknown) => error,
  );
  if (thrown instanceof OpsError) return thrown;
  throw thrown;
}

/** Bytes that a set sent itself; the parts it took over from earlier sets are not counted. */
export function sentBytes(manifest: { parts: readonly Part[] }, role?: Part['role']): number {
  return manifest.parts
    .filter(part => !part.isReused && (role === undefined || part.role === role))
    .reduce((sum, part) => sum + part.storedBytes, 0);
}

class TestWorld implements World {
  readonly server: ThrowawayServer;
  readonly folder: string;
  readonly backups: string;
  readonly storage: Storage;
  readonly identity: string;
  readonly recipient: string;
  readonly #clients: pg.Client[] = [];
  #count = 0;

  constructor(server: ThrowawayServer, folder: string, identity: string, recipient: string) {
    this.server = server;
    this.folder = folder;
    this.backups = join(folder, 'backups');
    this.storage = createLocalStorage({ path: this.backups });
    this.identity = identity;
    this.recipient = recipient;
  }

  async database(name: string, sql = '', create = ''): Promise<PostgresTarget> {
    await this.query(this.server.target, `create database ${quoteIdent(name)} ${create}`);
    const target = withDatabase(this.server.target, name);
    if (sql) await this.query(target, sql);
    return target;
  }

  emptyDatabase(create?: string): Promise<PostgresTarget> {
    return this.database(`empty_${++this.#count}`, '', create);
  }

  async query<T extends pg.QueryResultRow>(target: PostgresTarget, sql: string, values?: unknown[]): Promise<T[]> {
    const client = await connect(target);
    try {
      const result: pg.QueryResult<T> | pg.QueryResult<T>[] = await client.query<T>(sql, values);
      return (Array.isArray(result) ? (result as pg.QueryResult<T>[]).at(-1)! : result).rows;
    } finally {
      await client.end();
    }
  }

  async connect(target: PostgresTarget): Promise<pg.Client> {
    const client = await connect(target);
    this.#clients.push(client);
    return client;
  }

  async context(options: ContextOptions = {}): Promise<TestContext> {
    const env = {
      DATABASE_URL: this.server.target.url,
      BACKUP_LOCAL_PATH: this.backups,
      BACKUP_AGE_RECIPIENTS: this.recipient,
      BACKUP_AGE_IDENTITY: this.identity,
      ...options.env,
    };
    let file: string | undefined;
    if (options.config) {
      file = join(this.folder, `ops-${++this.#count}.yml`);
      await writeFile(file, stringify(options.config));
    }
    const { config, secrets } = loadConfig({ env, cwd: this.folder, file });
    const lines: string[] = [];
    const record = (level: string) => (message: string) => void lines.push(`${level}: ${message}`);
    const now = options.now ?? (() => new Date());
    return {
      config,
      secrets,
      log: { debug: record('debug'), info: record('info'), warn: record('warn'), error: record('error') },
      progress: noProgress,
      signal: options.signal ?? new AbortController().signal,
      now,
      cwd: this.folder,
      reportId: newReportId(now()),
      lines,
    };
  }

  async backup(target: PostgresTarget, options: BackupOptions = {}): Promise<DatabaseBackup> {
    const { storages = [this.storage], segmentBytes, lockTimeoutSeconds, lines, ...rest } = options;
    const context = await this.context({ ...rest, env: { DATABASE_URL: target.url, ...rest.env } });
    try {
      return await backupOneDatabase(context, storages, target, {
        ...(segmentBytes !== undefined && { segmentBytes }),
        ...(lockTimeoutSeconds !== undefined && { lockTimeoutSeconds }),
      });
    } finally {
      lines?.push(...context.lines);
    }
  }

  async restore(manifest: DatabaseManifest, options: Partial<RestoreOptions> = {}) {
    const { encoding, collate, ctype } = manifest.database;
    const target =
      options.target ??
      (await this.emptyDatabase(
        `template template0 encoding '${encoding}' lc_collate '${collate}' lc_ctype '${ctype}'`,
      ));
    const { log, progress, signal } = await this.context();
    const result = await restoreDatabase({
      storage: this.storage,
      identities: [this.identity],
      jobs: 2,
      tables: [],
      force: false,
      withRoles: false,
      noOwner: false,
      log,
      progress,
      signal,
      ...options,
      manifest,
      target,
    });
    return { target, result };
  }

  async compare(
    manifest: DatabaseManifest,
    target: PostgresTarget,
    options: { assertions?: AssertionConfig[]; storage?: Storage } = {},
  ): Promise<Comparison> {
    const { progress, signal } = await this.context();
    return compareRestored({
      target,
      manifest,
      evidence: await this.evidence(manifest, options.storage),
      assertions: options.assertions ?? [],
      jobs: 2,
      progress,
      signal,
    });
  }

  async prove(manifest: DatabaseManifest, options: Partial<RestoreOptions> = {}) {
    const { target } = await this.restore(manifest, options);
    const comparison = await this.compare(manifest, target, options.storage ? { storage: options.storage } : {});
    return { target, findings: comparison.findings, comparison };
  }

  async evidence(manifest: DatabaseManifest, storage: Storage = this.storage): Promise<Evidence> {
    const part = manifest.parts.find(candidate => candidate.role === 'evidence');
    if (!part) throw new Error(`set ${manifest.id} has no evidence`);
    const { signal } = await this.context();
    const text = await readPartWhole(storage, part, { identities: [this.identity], signal });
    return evidenceSchema.parse(JSON.parse(text.toString('utf8')));
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#clients.map(client => client.end()));
    await this.storage.close();
    await this.server.stop();
    await rm(this.folder, { recursive: true, force: true });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
