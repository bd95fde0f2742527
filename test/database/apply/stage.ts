import type pg from 'pg';
import { vi } from 'vitest';
import { type Applied, applyChanges } from '../../../actions/lib/database/apply/apply-changes.ts';
import {
  changeId,
  type ExistingIndex,
  type ExpectedUser,
  type OfferedChange,
} from '../../../actions/lib/database/apply/change.ts';
import { type ApplyOptions, defaultApplyOptions } from '../../../actions/lib/database/apply/options.ts';
import { createIndexSql, type IndexDefinition, indexName } from '../../../actions/lib/database/indexes/index.ts';
import { OpsError } from '../../../actions/lib/errors/index.ts';
import { noProgress, type Progress } from '../../../actions/lib/log/index.ts';
import {
  connect,
  type PostgresTarget,
  parsePostgresUrl,
  quoteIdent,
  quoteLiteral,
  startThrowawayServer,
  type ThrowawayOptions,
  type ThrowawayServer,
  withDatabase,
} from '../../../actions/lib/postgres/index.ts';
import { newReportId } from '../../../actions/lib/reports/index.ts';

vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });

/** Quick enough for a test, and otherwise as in production. */
export const quick: ApplyOptions = {
  ...defaultApplyOptions,
  pollSeconds: 0.03,
  retryDelaySeconds: 0.05,
  patienceSeconds: 0.3,
  oldTransactionSeconds: 0.05,
  otherRunSeconds: 20,
  reserveBytes: 0,
};

export interface Given {
  options?: Partial<ApplyOptions>;
  /** Called with every line that is logged, `level: message`. */
  onLine?: (line: string) => void;
  progress?: Progress;
  signal?: AbortSignal;
  /** URLs, as in DATABASE_REPLICA_URLS. */
  replicas?: string[];
}

/** One real server, and a new database for each test. */
export class ApplyStage {
  readonly server: ThrowawayServer;
  readonly #clients: pg.Client[] = [];
  #count = 0;

  constructor(server: ThrowawayServer) {
    this.server = server;
  }

  static async open(options: Partial<ThrowawayOptions> = {}): Promise<ApplyStage> {
    const settings = { max_prepared_transactions: 10, autovacuum: false, ...options.settings };
    return new ApplyStage(await startThrowawayServer({ purpose: 'a test of changes', ...options, settings }));
  }

  async database(sql = ''): Promise<PostgresTarget> {
    const name = `d${++this.#count}`;
    await this.query(this.server.target, `create database ${name}`);
    const target = withDatabase(this.server.target, name);
    if (sql) await this.query(target, sql);
    return target;
  }

  async query<T extends pg.QueryResultRow = Record<string, unknown>>(
    target: PostgresTarget,
    sql: string,
    values?: unknown[],
  ): Promise<T[]> {
    const client = await connect(target);
    try {
      const result = await client.query<T>(sql, values);
      return (Array.isArray(result) ? result.at(-1) : result).rows;
    } finally {
      await client.end();
    }
  }

  /** Another session, ended with the stage. */
  async session(target: PostgresTarget): Promise<pg.Client> {
    const client = await connect(target, { applicationName: 'the shop' });
    this.#clients.push(client);
    return client;
  }

  /** A role that may log in, and the database as seen by it. */
  async role(target: PostgresTarget, user: string, rights = ''): Promise<PostgresTarget> {
    const password = this.server.target.password ?? '';
    await this.query(target, `create role ${quoteIdent(user)} login password ${quoteLiteral(password)}; ${rights}`);
    const url = target.url.replace('//postgres:', `//${encodeURIComponent(user)}:`);
    return parsePostgresUrl(url);
  }

  apply(target: PostgresTarget, changes: readonly OfferedChange[], given: Given = {}): Promise<Applied> {
    const say = (level: string) => (message: string) => given.onLine?.(`${level}: ${message}`);
    return applyChanges(
      {
        log: { debug: say('debug'), info: say('info'), warn: say('warn'), error: say('error') },
        progress: given.progress ?? noProgress,
        signal: given.signal ?? new AbortController().signal,
        reportId: newReportId(new Date()),
        secrets: { ...(given.replicas && { databaseReplicaUrls: given.replicas }) },
      },
      target,
      changes,
      { ...quick, ...given.options },
    );
  }

  /** What the catalog says of an index; undefined when there is none. */
  async index(target: PostgresTarget, name: string): Promise<{ valid: boolean; definition: string } | undefined> {
    const rows = await this.query<{ valid: boolean; definition: string }>(
      target,
      `select indisvalid and indisready and indislive as valid, pg_get_indexdef(indexrelid) as definition
         from pg_index join pg_class c on c.oid = indexrelid where relname = $1`,
      [name],
    );
    return rows[0];
  }

  /** As a build that was cut off leaves it. */
  async breakIndex(target: PostgresTarget, name: string): Promise<void> {
    await this.query(
      target,
      `update pg_index set indisvalid = false from pg_class c where c.oid = indexrelid and relname = '${name}'`,
    );
  }

  async existing(target: PostgresTarget, name: string): Promise<ExistingIndex> {
    const [row] = await this.query<ExistingIndex>(
      target,
      `select schemaname as schema, indexrelname as name, relname as table, pg_get_indexdef(indexrelid) as definition
         from pg_stat_user_indexes where indexrelname = $1`,
      [name],
    );
    return { ...row!, scans: null, coveredBy: null };
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#clients.map(client => client.end()));
    await this.server.stop();
  }
}

export const orders = `
  create table orders (id bigint primary key, customer_id int not null, status text not null, total numeric, email text);
  insert into orders select n, n % 1000, case when n % 50 = 0 then 'open' else 'paid' end, n, 'Name' || n || '@example.com'
    from generate_series(1, 20000) n;
  analyze orders;`;

export function column(table: string, ...columns: string[]): IndexDefinition {
  return {
    schema: 'public',
    table,
    method: 'btree',
    keys: columns.map(name => ({ kind: 'column', column: name })),
    include: [],
  };
}

export function create(definition: IndexDefinition, expectedUsers: ExpectedUser[] = []): OfferedChange {
  const name = indexName(definition);
  return {
    kind: 'create',
    id: changeId({ kind: 'create', definition }),
    definition,
    sizeBytes: null,
    buildSeconds: null,
    expectedUsers,
    sql: [createIndexSql(definition, name, { concurrently: true })],
    rollback: [`DROP INDEX CONCURRENTLY ${quoteIdent(name)}`],
  };
}

export function drop(index: ExistingIndex): OfferedChange {
  return { kind: 'drop', id: changeId({ kind: 'drop', index }), index, sql: ['DROP INDEX …'], rollback: [] };
}

export function rebuild(index: ExistingIndex): OfferedChange {
  return { kind: 'reindex', id: changeId({ kind: 'reindex', index }), index, sql: ['REINDEX …'], rollback: [] };
}

export function merge(definition: IndexDefinition, replaces: ExistingIndex[]): OfferedChange {
  const base = create(definition) as Extract<OfferedChange, { kind: 'create' }>;
  return { ...base, kind: 'merge', id: changeId({ kind: 'merge', definition, replaces }), replaces };
}

/** The OpsError of an attempt that must fail. */
export async function refusal(attempt: Promise<unknown>): Promise<OpsError> {
  const thrown = await attempt.then(
    () => new Error('it worked, and should have failed'),
    (error: unknown) => error,
  );
  if (thrown instanceof OpsError) return thrown;
  throw thrown;
}
