import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import { stringify } from 'yaml';
import type { z } from 'zod';
import { type configSchema, loadConfig } from '../../../actions/lib/config/index.ts';
import { type OpsContext, toolVersion } from '../../../actions/lib/context/index.ts';
import { type AnalyzeData, analyzeOperation } from '../../../actions/lib/database/index.ts';
import { noProgress } from '../../../actions/lib/log/index.ts';
import {
  connect,
  type PostgresTarget,
  parsePostgresUrl,
  quoteIdent,
  startThrowawayServer,
  type ThrowawayOptions,
  type ThrowawayServer,
  withDatabase,
} from '../../../actions/lib/postgres/index.ts';
import {
  type Check,
  createDirectoryStore,
  newReportId,
  type Report,
  reportSchemaName,
  worstStatus,
} from '../../../actions/lib/reports/index.ts';

/** A server whose statements are counted, a folder for reports, and a clock that can be moved. */
export class Stage implements AsyncDisposable {
  readonly server: ThrowawayServer;
  readonly folder: string;
  readonly lines: string[] = [];
  #clients: pg.Client[] = [];
  #files = 0;

  private constructor(server: ThrowawayServer, folder: string) {
    this.server = server;
    this.folder = folder;
  }

  static async open(options: Partial<ThrowawayOptions> = {}): Promise<Stage> {
    const server = await startThrowawayServer({
      purpose: 'an analysis test',
      tcp: true,
      ...options,
      settings: {
        shared_preload_libraries: 'pg_stat_statements',
        'pg_stat_statements.track_utility': true,
        max_prepared_transactions: 10,
        // Settings are judged, too; that commits are not waited for is nobody's business.
        fsync: true,
        full_page_writes: true,
        wal_level: 'logical',
        max_wal_senders: 10,
        autovacuum: true,
        // Made-up defects must stay as they are.
        autovacuum_naptime: '1h',
        ...options.settings,
      },
    });
    return new Stage(server, await mkdtemp(join(tmpdir(), 'ops-analyze-')));
  }

  target(database: string, user?: { name: string; password: string }): PostgresTarget {
    const target = withDatabase(this.server.target, database);
    if (!user) return target;
    const { host, port } = target;
    return parsePostgresUrl(
      `postgres://${encodeURIComponent(user.name)}:${user.password}@${host}:${port}/${encodeURIComponent(database)}`,
    );
  }

  async create(database: string, ...statements: string[]): Promise<void> {
    await this.sql('postgres', `create database ${quoteIdent(database)}`);
    await this.sql(database, ...statements);
  }

  /** Each one in a session of its own. */
  async sql(database: string, ...statements: string[]): Promise<pg.QueryResult[]> {
    const results: pg.QueryResult[] = [];
    // A session hands its counts on when it ends: those of an INSERT would else come after the ANALYZE that follows it.
    for (const statement of statements) {
      const client = await connect(this.target(database));
      try {
        results.push(await client.query(statement));
      } finally {
        await client.end();
      }
    }
    return results;
  }

  /** A session that stays open, with something in it. */
  async session(database: string, ...statements: string[]): Promise<pg.Client> {
    const client = await connect(this.target(database), { applicationName: 'shop' });
    this.#clients.push(client);
    for (const statement of statements) await client.query(statement);
    return client;
  }

  async endSessions(): Promise<void> {
    for (const client of this.#clients.splice(0)) await client.end().catch(() => {});
  }

  async context(
    target: PostgresTarget,
    options: { config?: z.input<typeof configSchema>; now?: Date; env?: Record<string, string> } = {},
  ): Promise<OpsContext> {
    const file = join(this.folder, `ops-${++this.#files}.yml`);
    await writeFile(file, stringify(options.config ?? {}));
    const { config, secrets } = loadConfig({
      env: { DATABASE_URL: target.url, ...options.env },
      cwd: this.folder,
      file,
    });
    const record = (level: string) => (message: string) => void this.lines.push(`${level}: ${message}`);
    const now = () => options.now ?? new Date();
    return {
      config,
      secrets,
      log: { debug: record('debug'), info: record('info'), warn: record('warn'), error: record('error') },
      progress: noProgress,
      signal: new AbortController().signal,
      now,
      cwd: this.folder,
      reportId: newReportId(now()),
    };
  }

  /** One run, its report kept when `keep` is set. */
  async analyze(
    target: PostgresTarget,
    options: Parameters<Stage['context']>[1] & { keep?: boolean } = {},
  ): Promise<Analysed> {
    const context = await this.context(target, options);
    const { data, checks } = await analyzeOperation.execute({}, context);
    const report = reportOf(data, checks, context);
    if (options.keep) await createDirectoryStore(join(this.folder, 'reports')).save(report);
    return new Analysed(data, checks, report);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.endSessions();
    await this.server.stop();
    await rm(this.folder, { recursive: true, force: true });
  }
}

export class Analysed {
  readonly data: AnalyzeData;
  readonly checks: Check[];
  readonly report: Report<AnalyzeData>;

  constructor(data: AnalyzeData, checks: Check[], report: Report<AnalyzeData>) {
    this.data = data;
    this.checks = checks;
    this.report = report;
  }

  health = (id: string): AnalyzeData['health'][number] => {
    const found = this.data.health.find(health => health.id === id);
    if (!found) throw new Error(`there is no check ${id}`);
    return found;
  };

  check = (id: string): Check => {
    const found = this.checks.find(check => check.id === id);
    if (!found) throw new Error(`there is no check ${id}`);
    return found;
  };

  subjects(id: string): string[] {
    return this.health(id)
      .findings.map(({ subject }) => subject)
      .sort();
  }

  /** Ids of the checks that are not well. */
  breached(): string[] {
    return this.checks
      .filter(({ status }) => status !== 'ok')
      .map(({ id }) => id)
      .sort();
  }

  /** Everything that a person or a file would see of it. */
  everything(): string {
    return [
      JSON.stringify(this.report),
      ...analyzeOperation.lines(this.report),
      analyzeOperation.summary(this.report),
    ].join('\n');
  }
}

function reportOf(data: AnalyzeData, checks: Check[], context: OpsContext): Report<AnalyzeData> {
  const at = context.now().toISOString();
  return {
    schema: reportSchemaName,
    kind: analyzeOperation.kind,
    id: context.reportId,
    platform: 'shop',
    status: worstStatus(checks.map(({ status }) => status)),
    startedAt: at,
    finishedAt: at,
    trigger: { event: 'test' },
    run: null,
    tool: { version: toolVersion, node: process.versions.node },
    checks,
    error: null,
    data: analyzeOperation.dataSchema.parse(data),
  };
}
