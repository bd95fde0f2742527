import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runConsole } from '../../actions/lib/console/index.ts';
import { compileCache, opsScript } from '../services/ops-process.ts';

const repository = fileURLToPath(new URL('../../', import.meta.url));
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ops-console-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function ops(line: string, env: Record<string, string> = {}) {
  const said = { stdout: '', stderr: '' };
  const exitCode = await runConsole(line === '' ? [] : line.split(' '), {
    env: { BACKUP_LOCAL_PATH: join(folder, 'backups'), ...env },
    cwd: folder,
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
    signal: new AbortController().signal,
  });
  return { exitCode, ...said };
}

describe('what is typed wrongly gets exit 2, one line and the way on', () => {
  test.each([
    ['bakcup database', /USAGE There is no command 'bakcup database'/, /Did you mean 'backup database'\?/],
    ['backup databse', /There is no command 'backup databse'/, /Did you mean 'backup database'\?/],
    ['backup', /There is no command 'backup'/, /Commands: backup database, backup files, backup all, /],
    ['restore', /There is no command 'restore'/, /Commands: restore database, restore files\./],
    ['frobnicate everything', /There is no command/, /Commands: backup database, .* drill run, .* watchdog\./],
    ['backup database --dryrun', /There is no option --dryrun/, /Did you mean --dry-run\?/],
    ['backup database --constructor', /There is no option --constructor/, /Usage: ops backup database/],
    ['backup database -x', /'-x'/, /Usage: ops backup database/],
    ['backup database --dry-run=yes', /--dry-run/, /Usage/],
    ['backup database extra', /backup database takes no 'extra'/, /Usage/],
    ['backup verify', /--level is missing/, /Usage: ops backup verify <id\|latest> --level <level>/],
    ['backup verify --level stored', /backup verify needs a set id, or 'latest'/, /ops backup list/],
    ['backup verify a b --level stored', /takes one set, not 2/, /ops backup list/],
    ['backup verify latest --level all', /--level all is not one of: stored, content, restore/, /Usage/],
    ['backup verify latest --level', /--level/, /Usage/],
    ['backup list --kind tables', /--kind tables is not one of: database, files/, /Usage/],
    ['restore files latest', /--to is missing/, /Usage: ops restore files <id\|latest> --to <folder>/],
    ['restore database latest --to x --jobs none', /--jobs takes a whole number of at least 1, not 'none'/, /Usage/],
    ['restore database latest --to x --jobs 0', /--jobs takes a whole number/, /Usage/],
    ['', /USAGE No command was given/, /ops --help/],
  ])("'%s'", async (line, message, hint) => {
    const ran = await ops(line);
    expect(ran).toMatchObject({ exitCode: 2, stdout: '' });
    expect(ran.stderr).toMatch(message);
    expect(ran.stderr).toMatch(hint);
    expect(ran.stderr.trimEnd().split('\n').at(-1)).toMatch(/^ {2}→ /);

    const json = await ops(line === '' ? '--json' : `${line} --json`);
    expect(json.exitCode).toBe(2);
    const document = JSON.parse(json.stdout);
    expect(document).toEqual({ error: { code: 'USAGE', message: expect.any(String), hint: expect.any(String) } });
  });
});

describe('options', () => {
  test('may stand before, between and behind the words of a command', async () => {
    for (const line of [
      '--json backup list',
      'backup --json list',
      'backup list --json',
      '--config ops.yml --json backup list',
      '--kind files backup list --json',
      'backup --config=ops.yml list --json',
    ]) {
      writeFileSync(join(folder, 'ops.yml'), 'platform: shop\n');
      const ran = await ops(line);
      expect(ran, line).toMatchObject({ exitCode: 0, stderr: '' });
      expect(JSON.parse(ran.stdout)).toMatchObject({ kind: 'backup.list', status: 'ok' });
    }
  });

  test('a value that is the name of a command is a value', async () => {
    const ran = await ops('backup list --source backup --json');
    expect(ran.exitCode).toBe(0);
    expect((await ops('--source backup backup list')).exitCode).toBe(0);
  });
});

describe('help', () => {
  test.each(['--help', '-h', 'backup --help', 'nonsense --help'])(
    '%s shows every command and the exit codes',
    async line => {
      const ran = await ops(line);
      expect(ran).toMatchObject({ exitCode: 0, stderr: '' });
      for (const name of ['backup database', 'backup prune', 'restore files <id|latest>', 'drill run']) {
        expect(ran.stdout).toMatch(name);
      }
      expect(ran.stdout).toMatch(/0 fine, 1 the work failed, 2 usage or configuration, 3 done and a threshold/);
    },
  );

  test('of a command shows its options, with the global ones', async () => {
    const ran = await ops('restore database --help');
    expect(ran).toMatchObject({ exitCode: 0, stderr: '' });
    for (const option of [
      '--to',
      '--jobs <n>',
      '--tables',
      '--roles',
      '--no-owner',
      '--force',
      '--dry-run',
      '--json',
    ]) {
      expect(ran.stdout).toMatch(option);
    }
  });
});

describe('--json prints exactly one document', () => {
  test('for success', async () => {
    expect(JSON.parse((await ops('backup list --json')).stdout)).toMatchObject({
      schema: 'production-ops/report/1',
      status: 'ok',
      error: null,
      data: { sets: [] },
    });
  });

  test('for a failure: the report with the error, which is also on stderr', async () => {
    const ran = await ops('backup verify latest --level stored --json');
    expect(ran.exitCode).toBe(1);
    expect(JSON.parse(ran.stdout)).toMatchObject({
      kind: 'backup.verify',
      status: 'critical',
      error: { code: 'SET_NONE', hint: expect.any(String) },
      data: null,
    });
    expect(ran.stderr).toMatch(/^SET_NONE /m);
  });

  test('for a wrong configuration', async () => {
    const ran = await ops('backup list --json', { BACKUP_JOBS: 'many' });
    expect(ran.exitCode).toBe(2);
    expect(JSON.parse(ran.stdout)).toMatchObject({ error: { code: 'CONFIG_INVALID' } });
  });
});

describe('as a process', () => {
  const run = (args: string[], env: Record<string, string>) =>
    spawnSync(process.execPath, [opsScript, ...args], {
      cwd: repository,
      env: { PATH: process.env.PATH, ...compileCache, ...env },
      encoding: 'utf8',
    });

  test('paths are relative to where the person is, not to where npm runs it', () => {
    const ran = run(['backup', 'verify', 'latest', '--level', 'stored'], {
      INIT_CWD: folder,
      BACKUP_LOCAL_PATH: 'mine',
    });
    expect(ran.status).toBe(1);
    expect(ran.stderr).toMatch(join(folder, 'mine'));
    expect(existsSync(join(folder, 'reports', 'latest', 'backup.verify.json'))).toBe(true);
  });

  test('the report alone is on stdout, and what is said besides on stderr', () => {
    const ran = run(['backup', 'list', '--json'], { INIT_CWD: folder, BACKUP_LOCAL_PATH: 'mine', LOG_LEVEL: 'debug' });
    expect(ran.status).toBe(0);
    expect(JSON.parse(ran.stdout)).toMatchObject({ kind: 'backup.list' });
  });

  test('a reports folder that cannot be written is said, once', () => {
    const occupied = join(folder, 'occupied');
    mkdirSync(occupied);
    writeFileSync(join(occupied, 'reports'), 'a file');
    const ran = run(['backup', 'verify', 'latest', '--level', 'stored'], {
      INIT_CWD: occupied,
      BACKUP_LOCAL_PATH: join(folder, 'mine'),
    });
    expect(ran.status).toBe(1);
    // The work failed as well: both are said, and its own failure last, with what to do.
    expect(ran.stderr.match(/REPORT_STORE: Could not write/g)).toHaveLength(1);
    expect(ran.stderr).toMatch(/\nSET_NONE There is no database set/);
  });
});
