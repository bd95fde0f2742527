import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startFtpServer } from '../../services/ftp.ts';
import { requireService } from '../../services/requirements.ts';
import { filesBelow, Stage, whenSeen } from './stage.ts';

/** `Stage` itself searches every output and every file that is kept in the open; here it is made to say a lot. */
let stage: Stage;

beforeAll(async () => {
  stage = await Stage.open();
  await stage.database(
    'shop',
    `create table wide as select i as id, repeat(md5(i::text), 20) as text from generate_series(1, 15000) i;
     create index on wide (text);
     select lo_from_bytea(0, decode(repeat('ab', 100000), 'hex'));`,
  );
});
afterAll(() => stage[Symbol.asyncDispose]());

/** Number of a process → that of its parent, of those that were there at the last look. */
const parents = new Map<number, number>();

/** The command lines of every process that descends from `pid`, once each. */
function commandLines(pid: number, into: Map<string, string>): void {
  const running = new Set(readdirSync('/proc').map(Number).filter(Number.isInteger));
  for (const id of parents.keys()) if (!running.has(id)) parents.delete(id);
  for (const id of running) {
    if (parents.has(id)) continue;
    try {
      const stat = readFileSync(`/proc/${id}/stat`, 'latin1');
      parents.set(id, Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
    } catch {
      // ended meanwhile
    }
  }
  const isOurs = (id: number): boolean => id === pid || (parents.has(id) && id > 1 && isOurs(parents.get(id)!));
  for (const id of [...parents.keys()].filter(isOurs)) {
    try {
      const line = readFileSync(`/proc/${id}/cmdline`, 'utf8').replaceAll('\0', ' ');
      if (line && id !== pid) into.set(line.split(' ')[0]!.split('/').at(-1)!, line);
      expectNone(line);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === undefined) throw error;
    }
  }
}

let secrets: string[] = [];

function expectNone(text: string): void {
  for (const secret of secrets) expect(text.includes(secret), 'a secret is in a process list').toBe(false);
}

async function watched(args: string, env: Record<string, string | undefined>): Promise<string[]> {
  secrets = [
    stage.identity,
    stage.server.target.password!,
    decodeURIComponent(new URL(`x:${password()}`).pathname),
    password(),
  ];
  const seen = new Map<string, string>();
  const { child, ended } = stage.start(args, env);
  await whenSeen(() => {
    commandLines(child.pid!, seen);
    return child.exitCode !== null;
  }, child);
  const ran = await ended;
  expect(ran.exitCode, ran.stderr).toBe(0);
  return [...seen.keys()];
}

/** As it stands in the URL. */
const password = () => /:\/\/[^:]*:([^@]*)@/.exec(stage.url('shop'))![1]!;

const loud = { LOG_LEVEL: 'debug', BACKUP_COMPRESSION_LEVEL: '6' };

describe('no secret is in the process list', () => {
  test('of a backup', async () => {
    const programs = await watched('backup database', stage.env('shop', loud));
    expect(programs).toContain('pg_dump');
  });

  test('of a restore', async () => {
    const target = await stage.database('restored');
    const programs = await watched(
      'restore database latest',
      stage.env('shop', { ...loud, RESTORE_DATABASE_URL: target.url }),
    );
    expect(programs).toContain('pg_restore');
  });

  test('of a drill', async () => {
    const programs = await watched('drill run', stage.env('shop', loud));
    expect(programs).toContain('pg_restore');
  });

  test('of a files backup', async () => {
    const uploads = join(stage.root, 'uploads');
    mkdirSync(uploads);
    for (let i = 0; i < 200; i++) writeFileSync(join(uploads, `${i}`), Buffer.alloc(50_000, i));
    const programs = await watched('backup files', stage.env('shop', { ...loud, BACKUP_FILES_PATHS: uploads }));
    expect(programs).toContain('tar');
  });
});

describe('no secret is in what is said, however it is said', () => {
  const wrongWays = [
    'backup database',
    'backup verify latest --level content',
    'restore database latest',
    'backup list',
    'backup prune',
    'backup nonsense',
  ];
  test.each([
    ['text', 'debug'],
    ['json', 'debug'],
    ['json', 'info'],
  ])('as %s at level %s', async (format, level) => {
    for (const args of wrongWays) {
      const env = stage.env('shop', { LOG_FORMAT: format, LOG_LEVEL: level, RESTORE_DATABASE_URL: stage.url('shop') });
      await stage.ops(args, env);
      await stage.ops(`${args} --json`, env);
      // A server that repeats what it was given.
      await stage.ops(args, {
        ...env,
        DATABASE_URL: stage.url(`shop-${encodeURIComponent('x')}`),
        BACKUP_AGE_IDENTITY: undefined,
      });
    }
  });

  test('by a drill and a restore that is a verification', async () => {
    for (const args of ['drill run', 'backup verify latest --level restore']) {
      const ran = await stage.ops(args, stage.env('shop', { LOG_LEVEL: 'debug' }));
      expect(ran, ran.stderr).toMatchObject({ exitCode: 0 });
      await stage.ops(args, stage.env('shop', { LOG_LEVEL: 'debug', BACKUP_AGE_IDENTITY: undefined }));
    }
  });

  test('a URL with a password on the command line is not repeated', async () => {
    const url = stage.url('shop');
    for (const argv of [
      ['restore', 'database', 'latest', '--to', url],
      ['restore', 'database', 'latest', `--to=${url}`, '--json'],
      ['restore', 'database', url],
      ['backup', url],
      ['backup', 'database', '--nonsense', url],
      ['backup', 'verify', 'latest', '--level', url],
      ['backup', 'database', '--config', url],
    ]) {
      const ran = await stage.run(argv, stage.env('shop'));
      expect(ran.exitCode, argv.join(' ')).toBe(2);
    }
  });

  test('nor is one in a configuration file that is not accepted', async () => {
    const file = join(stage.root, 'bad.yml');
    writeFileSync(file, `backup:\n  databaseUrl: "${stage.url('shop').replace(/["\\]/g, '')}"\n`);
    const ran = await stage.run(['backup', 'database', '--config', file], stage.env('shop'));
    expect(ran.exitCode).toBe(2);
  });
});

requireService('ftp')('with an FTP destination', () => {
  test('neither its password nor its URL is in reports, manifests or RESTORE.md', async () => {
    const ftp = await startFtpServer();
    stage.secret(ftp.password);
    stage.secret(encodeURIComponent(ftp.password));
    try {
      const env = stage.env('shop', { ...loud, BACKUP_FTP_URL: ftp.url });
      await stage.backUp(env);
      expect((await stage.ops('drill run', env)).exitCode).toBe(0);
      for (const file of filesBelow(ftp.folder).filter(name => name.startsWith('sets/'))) {
        const text = readFileSync(join(ftp.folder, file), 'utf8');
        for (const secret of [ftp.password, encodeURIComponent(ftp.password), stage.identity, password()])
          expect(text.includes(secret), file).toBe(false);
      }
    } finally {
      await ftp.stop();
    }
  });
});
