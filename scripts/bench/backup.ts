import { mkdir, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { generateIdentity, recipientOf } from '../../actions/lib/age/index.ts';
import { formatBytes, formatDuration } from '../../actions/lib/log/index.ts';
import {
  type ClientTools,
  connect,
  findClientTools,
  libpqEnv,
  type PostgresTarget,
  quoteIdent,
  startThrowawayServer,
  withDatabase,
} from '../../actions/lib/postgres/index.ts';
import { appendBenchEvents, createBenchTables } from '../platform/bench-table.ts';
import { type Measured, measure } from './measured-child.ts';
import type { Result } from './results.ts';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const jobs = 2;

/**
 * The backup against `pg_dump -Fc` and against the limit of the server, the restore against `pg_restore -j2`: the same
 * server, the same data, alternating, the best of each. Options: `--bytes 1.5e9`, `--rounds 2`.
 */
export async function benchBackup(args: readonly string[]): Promise<Result[]> {
  const { values } = parseArgs({
    args: [...args],
    options: { bytes: { type: 'string', default: '1.5e9' }, rounds: { type: 'string', default: '2' } },
  });
  const bytes = Number(values.bytes);
  const rounds = Number(values.rounds);
  const folder = await mkdtemp(join(tmpdir(), 'ops-bench-'));
  await using server = await startThrowawayServer({
    purpose: 'the benchmark',
    sharedBuffersMb: 1024,
    // What a production server has: under wal_level minimal pg_restore would write no WAL, which nobody's server allows.
    settings: { maintenance_work_mem: '256MB', wal_level: 'replica', max_wal_senders: 10 },
  });
  try {
    const bench = new Bench(folder, server.target, await findClientTools(server.major));
    await bench.prepare();
    return await bench.run(bytes, rounds);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

class Bench {
  readonly #folder: string;
  readonly #server: PostgresTarget;
  readonly #tools: ClientTools;
  #env: Record<string, string> = {};

  constructor(folder: string, server: PostgresTarget, tools: ClientTools) {
    this.#folder = folder;
    this.#server = server;
    this.#tools = tools;
  }

  async prepare(): Promise<void> {
    const identity = await generateIdentity();
    this.#env = {
      BACKUP_AGE_RECIPIENTS: await recipientOf(identity),
      BACKUP_AGE_IDENTITY: identity,
      BACKUP_JOBS: String(jobs),
    };
    await mkdir(join(this.#folder, 'tmp'));
  }

  async run(bytes: number, rounds: number): Promise<Result[]> {
    const source = await this.#database('bench');
    const made = await createBenchTables(source, { bytes });
    say(`made ${formatBytes(made.estimatedBytes)} of rows in ${formatDuration(made.seconds)}`);
    const dumpFile = join(this.#folder, 'stock.dump');
    const stock: number[] = [];
    const raw: number[] = [];
    const ours: Measured[] = [];
    for (let round = 1; round <= rounds; round++) {
      raw.push(await this.#rawCopies(source));
      ours.push(await this.#backup(source, `store-${round}`));
      stock.push(await this.#pgDump(source, dumpFile));
      say(
        `round ${round}: backup ${formatDuration(ours.at(-1)!.seconds)}, two raw copies ${formatDuration(raw.at(-1)!)}, ` +
          `pg_dump -Fc ${formatDuration(stock.at(-1)!)} (${formatBytes((await stat(dumpFile)).size)})`,
      );
    }
    const best = Math.min(...ours.map(run => run.seconds));
    const first = reportOf(ours[0]!).data.sets[0];

    const restored: number[] = [];
    const stockRestored: number[] = [];
    for (let round = 1; round <= rounds; round++) {
      stockRestored.push(await this.#pgRestore(dumpFile));
      restored.push(await this.#restore('store-1'));
      say(
        `round ${round}: restore ${formatDuration(restored.at(-1)!)}, pg_restore -j2 and ANALYZE ${formatDuration(stockRestored.at(-1)!)}`,
      );
    }

    await appendBenchEvents(source, { share: 0.01 });
    const second = reportOf(await this.#backup(source, 'store-1')).data.sets[0];

    const small = await this.#database('small');
    await createBenchTables(small, { bytes: 2e8 });
    const smallRun = await this.#backup(small, 'store-small');
    await appendBenchEvents(source, { share: Math.max(0.01, (2e9 - bytes) / (bytes * 0.6)) });
    const largeRun = await this.#backup(source, 'store-large');
    const peak = Math.max(...[...ours, smallRun, largeRun].map(run => run.peakBytes));
    return [
      {
        name: 'encrypted backup / pg_dump -Fc',
        value: best / Math.min(...stock),
        target: 0.35,
        unit: '×',
        detail: `${formatDuration(best)} against ${formatDuration(Math.min(...stock))}, ${formatBytes(first.plainBytes)} of rows, stored ${formatBytes(first.storedBytes)}`,
      },
      {
        name: 'encrypted backup / two raw COPYs',
        value: best / Math.min(...raw),
        target: 1.6,
        unit: '×',
        detail: `${formatDuration(best)} against ${formatDuration(Math.min(...raw))} to /dev/null, fingerprints included`,
      },
      {
        name: 'bytes of the second backup / first',
        value: second.sentBytes / first.sentBytes,
        target: 0.05,
        unit: '×',
        detail: `${formatBytes(second.sentBytes)} of ${formatBytes(first.sentBytes)} after 1 % of one table was appended`,
      },
      {
        name: 'restore / pg_restore -j2',
        value: Math.min(...restored) / Math.min(...stockRestored),
        target: 0.8,
        unit: '×',
        detail: `${formatDuration(Math.min(...restored))} against ${formatDuration(Math.min(...stockRestored))}, both with ANALYZE`,
      },
      {
        name: 'peak memory of the process',
        value: peak / 2 ** 20,
        target: 256,
        unit: 'MiB',
        detail: `${formatBytes(smallRun.peakBytes)} at 0.2 GB, ${formatBytes(largeRun.peakBytes)} at 2 GB`,
      },
      {
        name: 'temporary files',
        value: Math.max(...[...ours, largeRun].map(run => run.mostTemporaryBytes)) / 2 ** 20,
        target: 1,
        unit: 'MiB',
        detail: 'most that lay in TMPDIR at one time',
      },
    ];
  }

  async #database(name: string): Promise<PostgresTarget> {
    const client = await connect(this.#server);
    await client.query(`drop database if exists ${quoteIdent(name)}`);
    await client.query(`create database ${quoteIdent(name)}`);
    await client.end();
    return withDatabase(this.#server, name);
  }

  /** The limit of the server: every table in two halves by block range, each half through psql to nowhere. */
  async #rawCopies(source: PostgresTarget): Promise<number> {
    const client = await connect(source);
    const { rows } = await client.query<{ name: string; blocks: string }>(
      `select format('%I.%I', schemaname, tablename) as name,
              pg_relation_size(format('%I.%I', schemaname, tablename)::regclass) / 8192 as blocks
         from pg_tables where schemaname not in ('pg_catalog', 'information_schema') order by 1`,
    );
    await client.end();
    const half = (from: boolean) =>
      rows
        .map(({ name, blocks }) => {
          const middle = Math.floor(Number(blocks) / 2);
          return `copy (select * from ${name} where ctid ${from ? '<' : '>='} '(${middle},0)') to stdout;`;
        })
        .join('\n');
    const startedAt = performance.now();
    await Promise.all(
      [true, false].map(from =>
        this.#stock('sh', ['-c', 'exec "$0" -X -q -c "$1" >/dev/null', this.#tools.psql, half(from)], source),
      ),
    );
    return (performance.now() - startedAt) / 1000;
  }

  async #pgDump(source: PostgresTarget, file: string): Promise<number> {
    return (await this.#stock(this.#tools.pgDump, ['--format=custom', `--file=${file}`], source)).seconds;
  }

  async #pgRestore(file: string): Promise<number> {
    const target = await this.#database('stock_restored');
    const restore = await this.#stock(
      this.#tools.pgRestore,
      [`--jobs=${jobs}`, `--dbname=${target.database}`, file],
      target,
    );
    const analyze = await this.#stock(
      join(this.#tools.binDir, 'vacuumdb'),
      ['--analyze-only', `--jobs=${jobs}`, '--quiet', target.database],
      target,
    );
    return restore.seconds + analyze.seconds;
  }

  #stock(command: string, args: readonly string[], target: PostgresTarget): Promise<Measured> {
    return measure(command, args, { env: libpqEnv(target) });
  }

  #backup(source: PostgresTarget, store: string): Promise<Measured> {
    return this.#ops(['backup', 'database'], store, { DATABASE_URL: source.url });
  }

  async #restore(store: string): Promise<number> {
    const target = await this.#database('restored');
    return (await this.#ops(['restore', 'database', 'latest', '--to', target.url, '--jobs', String(jobs)], store, {}))
      .seconds;
  }

  /** As a user runs it: a process of its own, start-up included. */
  #ops(words: readonly string[], store: string, env: Record<string, string>): Promise<Measured> {
    // The flags this process was started with are those of `npm run ops`.
    return measure(process.execPath, [...process.execArgv, join(root, 'scripts', 'ops.ts'), ...words, '--json'], {
      cwd: root,
      env: {
        ...this.#env,
        ...env,
        BACKUP_LOCAL_PATH: join(this.#folder, store),
        LOG_LEVEL: 'error',
        INIT_CWD: this.#folder,
      },
      temporaryFolder: join(this.#folder, 'tmp'),
    });
  }
}

interface BackupReport {
  data: { sets: [{ plainBytes: number; storedBytes: number; sentBytes: number }] };
}

function reportOf(run: Measured): BackupReport {
  return JSON.parse(run.stdout);
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
