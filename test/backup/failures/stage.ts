import type { ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { generateIdentity, recipientOf } from '../../../actions/lib/age/index.ts';
import type { Manifest } from '../../../actions/lib/backup/index.ts';
import { runConsole } from '../../../actions/lib/console/index.ts';
import {
  connect,
  type PostgresTarget,
  parsePostgresUrl,
  quoteIdent,
  quoteLiteral,
  startThrowawayServer,
  type ThrowawayServer,
  withDatabase,
} from '../../../actions/lib/postgres/index.ts';
import { compileCache, opsScript } from '../../services/ops-process.ts';
import { startDaemon } from '../../services/processes.ts';

export const repository = fileURLToPath(new URL('../../../', import.meta.url));

/** What one run of the command line said and ended with. */
export interface Ran {
  exitCode: number;
  stdout: string;
  stderr: string;
}

export type Env = Record<string, string | undefined>;

/** Everything that has to be escaped somewhere: in URLs, JSON, SQL, shells. */
const password = `p@ss/:%"\\'&?=# ${createHash('sha256').update(String(process.hrtime())).digest('hex').slice(0, 8)}`;

/**
 * One real PostgreSQL, one folder for backups, and the command line to work with both. Every output of every run and
 * every file that a backup leaves readable is searched for every secret.
 */
export class Stage implements AsyncDisposable {
  readonly server: ThrowawayServer;
  readonly root: string;
  readonly identity: string;
  readonly recipient: string;
  readonly #secrets = new Set<string>();
  readonly #children = new Set<ChildProcess>();

  private constructor(server: ThrowawayServer, root: string, identity: string, recipient: string) {
    this.server = server;
    this.root = root;
    this.identity = identity;
    this.recipient = recipient;
    this.secret(identity);
    this.secret(password);
    this.secret(encodeURIComponent(password));
    this.secret(server.target.password!);
  }

  static async open(): Promise<Stage> {
    const server = await startThrowawayServer({ purpose: 'a test' });
    const root = await mkdtemp(join(tmpdir(), 'ops-stage-'));
    await mkdir(join(root, 'work'));
    const identity = await generateIdentity();
    const stage = new Stage(server, root, identity, await recipientOf(identity));
    await stage.sql(server.target, `create role "back up" superuser login password ${quoteLiteral(password)}`);
    return stage;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) child.kill('SIGKILL');
    try {
      for (const folder of [join(this.root, 'work', 'reports'), join(this.destination, 'sets')]) {
        for (const file of filesBelow(folder)) this.#search(readFileSync(join(folder, file), 'utf8'), file);
      }
    } finally {
      await this.server.stop();
      await rm(this.root, { recursive: true, force: true });
    }
  }

  /** From here on no output may hold it. */
  secret(value: string): string {
    this.#secrets.add(value);
    return value;
  }

  /** The folder that keeps the backups. */
  get destination(): string {
    return join(this.root, 'backups');
  }

  get work(): string {
    return join(this.root, 'work');
  }

  /** What a newcomer sets. */
  env(database: string, more: Env = {}): Env {
    return {
      PATH: process.env.PATH,
      DATABASE_URL: this.url(database),
      BACKUP_LOCAL_PATH: this.destination,
      BACKUP_AGE_RECIPIENTS: this.recipient,
      BACKUP_AGE_IDENTITY: this.identity,
      ...more,
    };
  }

  /** As a role whose password has to be encoded. */
  url(database: string, on: ThrowawayServer = this.server): string {
    const url = withDatabase(on.target, database).url;
    return on === this.server ? url.replace(/\/\/[^@]*@/, `//back%20up:${encodeURIComponent(password)}@`) : url;
  }

  target(database: string): PostgresTarget {
    return parsePostgresUrl(this.url(database));
  }

  async database(name: string, sql = ''): Promise<PostgresTarget> {
    await this.sql(this.server.target, `create database ${quoteIdent(name)}`);
    const target = this.target(name);
    if (sql) await this.sql(target, sql);
    return target;
  }

  async sql(target: PostgresTarget, sql: string): Promise<Record<string, unknown>[]> {
    const client = await connect(target);
    try {
      const result = await client.query(sql);
      return (Array.isArray(result) ? result.at(-1) : result).rows;
    } finally {
      await client.end();
    }
  }

  /** One connection for many questions. */
  async ask(target: PostgresTarget) {
    const client = await connect(target);
    const ask = async (sql: string): Promise<Record<string, unknown>[]> => (await client.query(sql)).rows;
    return Object.assign(ask, { end: () => client.end() });
  }

  /** The command line in this process. */
  async ops(args: string, env: Env, cwd = this.work): Promise<Ran> {
    return this.run(args.split(' '), env, { cwd });
  }

  async run(argv: string[], env: Env, options: { cwd?: string; signal?: AbortSignal } = {}): Promise<Ran> {
    const said = { stdout: '', stderr: '' };
    const exitCode = await runConsole(argv, {
      env,
      cwd: options.cwd ?? this.work,
      stdout: {
        write: text => {
          said.stdout += text;
        },
      },
      stderr: {
        write: text => {
          said.stderr += text;
        },
      },
      signal: options.signal ?? new AbortController().signal,
    });
    return this.#searched({ exitCode, ...said }, argv);
  }

  /** The command line as a process of its own. */
  start(args: string, env: Env): { child: ChildProcess; ended: Promise<Ran> } {
    const child = startDaemon(process.execPath, [opsScript, ...args.split(' ')], {
      ...compileCache,
      ...env,
      INIT_CWD: this.work,
    });
    this.#children.add(child);
    const said = { stdout: '', stderr: '' };
    child.stdout!.on('data', chunk => {
      said.stdout += chunk;
    });
    child.stderr!.on('data', chunk => {
      said.stderr += chunk;
    });
    const { promise, resolve } = Promise.withResolvers<Ran>();
    child.once('close', code => {
      this.#children.delete(child);
      resolve(this.#searched({ exitCode: code ?? -1, ...said }, [args]));
    });
    return { child, ended: promise };
  }

  /** The report that `--json` prints: nothing else may be on stdout. */
  async report(args: string, env: Env): Promise<Report> {
    const ran = await this.ops(`${args} --json`, env);
    return { ...(JSON.parse(ran.stdout) as Omit<Report, 'exitCode' | 'stderr'>), ...ran };
  }

  /** Makes a set and returns its id. */
  async backUp(env: Env, what = 'database'): Promise<string> {
    const report = await this.report(`backup ${what}`, env);
    expect(report, report.stderr).toMatchObject({ exitCode: 0, status: 'ok' });
    return (report.data as { sets: { id: string }[] }).sets.at(-1)!.id;
  }

  manifest(id: string, folder = this.destination, kind = 'database'): Manifest {
    return JSON.parse(readFileSync(join(folder, 'sets', kind, id, 'manifest.json'), 'utf8')) as Manifest;
  }

  /** A kill must leave nothing listed that is not whole. */
  async expectOnlyWholeSets(env: Env, newest = 3): Promise<string[]> {
    const list = await this.report('backup list', env);
    const sets = (list.data as { sets: { id: string; problem: string | null }[] }).sets;
    for (const { problem } of sets) expect(problem).toBe(null);
    for (const { id } of sets.slice(0, newest)) {
      const verified = await this.ops(`backup verify ${id} --level content`, env);
      expect(verified.exitCode, verified.stderr + verified.stdout).toBe(0);
    }
    return sets.map(set => set.id);
  }

  /** Every object belongs to a set that is listed, and nothing half-made is left. */
  expectNothingOrphaned(folder = this.destination): void {
    const files = filesBelow(folder);
    const listed = files.flatMap(file => /^sets\/(\w+)\/([^/]+)\/manifest\.json$/.exec(file)?.slice(1) ?? []);
    const owned = new Set<string>();
    for (let i = 0; i < listed.length; i += 2) {
      const [kind, id] = listed.slice(i, i + 2) as [string, string];
      for (const part of this.manifest(id, folder, kind).parts) owned.add(part.key);
      for (const name of ['manifest.json', 'RESTORE.md', 'SHA256SUMS']) owned.add(`sets/${kind}/${id}/${name}`);
    }
    expect(files.filter(file => !owned.has(file) && !/^sets\/\w+\/[^/]+\/proofs\//.test(file))).toEqual([]);
    expect([...owned].filter(key => !files.includes(key))).toEqual([]);
  }

  #searched(ran: Ran, argv: readonly string[]): Ran {
    this.#search(ran.stdout, `stdout of ${argv[0]} ${argv[1]}`);
    this.#search(ran.stderr, `stderr of ${argv[0]} ${argv[1]}`);
    return ran;
  }

  #search(text: string, where: string): void {
    for (const secret of this.#secrets) {
      for (const form of [secret, JSON.stringify(secret).slice(1, -1)]) {
        if (text.includes(form)) throw new Error(`A secret is in ${where}`);
      }
    }
  }
}

export interface Report {
  exitCode: number;
  stderr: string;
  status: string;
  kind: string;
  checks: { id: string; status: string; message: string; target?: string }[];
  error: { code: string; message: string; hint?: string } | null;
  data: unknown;
}

/** One clear error: a code, one line, what to do, no stack; and the exit code of the design. */
export function expectRefused(ran: Ran, exitCode: number, code: string, ...words: (string | RegExp)[]): void {
  expect(ran, ran.stderr).toMatchObject({ exitCode });
  const lines = ran.stderr.split('\n');
  const at = lines.findIndex(line => /^[A-Z][A-Z_]+ /.test(line));
  expect(lines[at], ran.stderr).toMatch(new RegExp(`^${code} \\S`));
  expect(lines[at + 1], `no hint: ${ran.stderr}`).toMatch(/^ {2}→ \S.*[.)…\]>]$/);
  expect(lines.slice(at + 2), 'one error and nothing after it').toEqual(['']);
  expect(ran.stderr).not.toMatch(/^\s+at .*:\d+:\d+/m);
  for (const word of words) expect(`${lines[at]}\n${lines[at + 1]}`).toMatch(word);
}

/** Paths of files below a folder, relative to it; those that vanish meanwhile are left out. */
export function filesBelow(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter(path => statSync(join(folder, path), { throwIfNoEntry: false })?.isFile())
    .sort();
}

/**
 * Looks again each millisecond until `isSeen`, at most `seconds`; false when `child` ended first. Without the pause the
 * look takes a core away from what is looked at.
 */
export async function whenSeen(isSeen: () => boolean, child?: ChildProcess, seconds = 60): Promise<boolean> {
  for (const end = Date.now() + seconds * 1000; Date.now() < end; await wait(1)) {
    if (isSeen()) return true;
    if (child && (child.exitCode !== null || child.signalCode !== null)) return false;
  }
  throw new Error(`Not seen within ${seconds} s`);
}

/** The same with a question to a server, which has more to do for it. */
export async function whenTrue(isTrue: () => Promise<boolean>, seconds = 60): Promise<void> {
  for (const end = Date.now() + seconds * 1000; Date.now() < end; await wait(5)) if (await isTrue()) return;
  throw new Error(`Not true within ${seconds} s`);
}
