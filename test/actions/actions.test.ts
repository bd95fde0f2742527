import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { generateIdentity, recipientOf } from '../../actions/lib/age/index.ts';
import {
  connect,
  quoteIdent,
  quoteLiteral,
  startThrowawayServer,
  type ThrowawayServer,
  withDatabase,
} from '../../actions/lib/postgres/index.ts';
import { reportSchema } from '../../actions/lib/reports/index.ts';
import { type ActionName, type ActionRun, Runner } from './bundles.ts';

const root = join(import.meta.dirname, '../..');
/** A name that the runner would obey if it were printed at the beginning of a line. */
const shop = '::warning::owned';
const password = 'pä ss/w?rd#1';

describe('the built actions, run as the runner runs them', () => {
  let server: ThrowawayServer;
  let runner: Runner;
  let identity: string;
  let env: Record<string, string>;
  const runs: ActionRun[] = [];
  const act = async (...args: Parameters<Runner['run']>) => {
    const run = await runner.run(...args);
    runs.push(run);
    return run;
  };
  const urlOf = (database: string, secret = password) => {
    const { host, port } = server.target;
    return `postgres://keeper:${encodeURIComponent(secret)}@${host}:${port}/${encodeURIComponent(database)}?sslmode=disable`;
  };
  const onServer = async (database: string, sql: string) => {
    const client = await connect(withDatabase(server.target, database));
    try {
      return (await client.query(sql)).rows;
    } finally {
      await client.end();
    }
  };

  beforeAll(async () => {
    identity = await generateIdentity();
    [server, runner] = await Promise.all([
      startThrowawayServer({ purpose: 'the test of the actions', tcp: true }),
      Runner.open(['backup', 'restore', 'drill']),
    ]);
    await onServer('postgres', `CREATE ROLE keeper SUPERUSER LOGIN PASSWORD ${quoteLiteral(password)}`);
    for (const name of [shop, 'rebuilt']) await onServer('postgres', `CREATE DATABASE ${quoteIdent(name)}`);
    await onServer(
      shop,
      'CREATE TABLE orders (id int PRIMARY KEY, note text); INSERT INTO orders SELECT i, $$order $$ || i FROM generate_series(1, 500) i',
    );
    env = {
      DATABASE_URL: urlOf(shop),
      BACKUP_LOCAL_PATH: join(runner.root, 'backups'),
      BACKUP_AGE_RECIPIENTS: await recipientOf(identity),
      // As GitHub passes secrets that are not set.
      BACKUP_FTP_URL: '',
      BACKUP_S3_BUCKET: '',
    };
  }, 120_000);

  afterAll(async () => {
    await server?.stop();
    await runner?.[Symbol.asyncDispose]();
  });

  test('a scheduled backup reports, sums up, sets its outputs, and applies retention', async () => {
    const run = await act('backup', {
      inputs: { what: 'database', prune: 'true' },
      env: { ...env, BACKUP_AGE_IDENTITY: identity },
      event: { name: 'schedule', payload: { schedule: '0 2 * * *' } },
    });
    expect(run.code, run.visible).toBe(0);
    expect(run.outputs).toMatchObject({ status: 'ok', 'exit-code': '0' });
    const [id] = JSON.parse(run.outputs['set-ids']!);
    expect(existsSync(join(runner.root, `backups/sets/database/${id}/manifest.json`))).toBe(true);
    expect(run.summary).toContain(id);
    expect(run.summary.startsWith('## Backup made')).toBe(true);
    expect(run.summary).toContain('## Retention');
    expect(outputNames('backup')).toEqual(Object.keys(run.outputs).sort());

    const report = reportSchema.parse(
      JSON.parse(readFileSync(resolve(runner.workspace, run.outputs['report-path']!), 'utf8')),
    );
    expect(report).toMatchObject({
      kind: 'backup.database',
      status: 'ok',
      trigger: { event: 'schedule' },
      run: { url: 'https://github.example/shop/ops/actions/runs/4711/attempts/2', id: '4711', attempt: 2 },
    });
    const scheduledFor = Date.parse(report.trigger.scheduledFor!);
    expect(new Date(scheduledFor).toISOString()).toMatch(/T02:00:00\.000Z$/);
    expect(Date.parse(report.startedAt) - scheduledFor).toBeLessThan(86_400_000);
    expect(existsSync(join(runner.temporary, 'production-ops/reports/latest/backup.prune.json'))).toBe(true);
  });

  test('every secret is masked before anything else is printed', async () => {
    const { stdout } = runs[0]!;
    const lines = stdout.split('\n');
    const firstOther = lines.findIndex(line => !line.startsWith('::add-mask::'));
    expect(lines.slice(firstOther).some(line => line.startsWith('::add-mask::'))).toBe(false);
    for (const secret of [password, encodeURIComponent(password), identity]) {
      // As @actions/core escapes what it hands to the runner.
      expect(lines.slice(0, firstOther)).toContain(`::add-mask::${secret.replaceAll('%', '%25')}`);
    }
  });

  test('a name from the database does not command the runner', async () => {
    const { visible } = runs[0]!;
    expect(visible).toContain('owned: set ');
    expect(visible).not.toMatch(/^\s*::warning::owned/m);
  });

  test('a drill proves the set', async () => {
    const run = await act('drill', { env: { ...env, DATABASE_URL: '', BACKUP_AGE_IDENTITY: identity } });
    expect(run.code, run.visible).toBe(0);
    expect(run.outputs).toMatchObject({ status: 'ok', 'exit-code': '0', verdict: 'PROVED' });
    expect(Number(run.outputs['rto-seconds'])).toBeGreaterThan(0);
    expect(Number(run.outputs['rpo-seconds'])).toBeGreaterThan(0);
    expect(run.summary.startsWith('## PROVED')).toBe(true);
    expect(outputNames('drill')).toEqual(Object.keys(run.outputs).sort());
  });

  test('a drill that could not verify fails the step, unless told not to', async () => {
    const stranger = await generateIdentity();
    const red = await act('drill', { env: { ...env, BACKUP_AGE_IDENTITY: stranger } });
    expect(red.code).toBe(3);
    expect(red.outputs).toMatchObject({
      status: 'unknown',
      verdict: 'COULD NOT VERIFY',
      'rto-seconds': '',
      'exit-code': '3',
    });
    expect(red.stdout).toMatch(/^::error title=drill\.verdict::/m);

    const green = await act('drill', {
      inputs: { 'fail-on-breach': 'false' },
      env: { ...env, BACKUP_AGE_IDENTITY: stranger },
    });
    expect(green.code).toBe(0);
    expect(green.outputs).toMatchObject({ status: 'unknown', 'exit-code': '3' });
    expect(green.stdout).toMatch(/^::warning title=drill\.verdict::/m);
    expect(green.stdout).not.toMatch(/^::error/m);
  });

  describe('a restore', () => {
    const target = () => ({ ...env, RESTORE_DATABASE_URL: urlOf('rebuilt'), BACKUP_AGE_IDENTITY: identity });
    const tables = () => onServer('rebuilt', `SELECT count(*)::int AS n FROM pg_tables WHERE schemaname = 'public'`);

    test('says what it would do without being confirmed', async () => {
      const run = await act('restore', { inputs: { 'dry-run': 'true' }, env: target() });
      expect(run.code, run.visible).toBe(0);
      expect(run.visible).toContain('Would restore set ');
      expect(run.outputs['report-path']).toBe('');
      expect(await tables()).toEqual([{ n: 0 }]);
    });

    test.each(['', 'postgres'])("changes nothing when confirm is '%s'", async confirm => {
      const run = await act('restore', { inputs: { confirm }, env: target() });
      expect(run.code).toBe(2);
      expect(run.stdout).toMatch(/^::error title=RESTORE_NOT_CONFIRMED::The target is called 'rebuilt'/m);
      expect(await tables()).toEqual([{ n: 0 }]);
    });

    test('needs to be told where to', async () => {
      const run = await act('restore', { inputs: { confirm: 'rebuilt' }, env });
      expect(run.code).toBe(2);
      expect(run.stdout).toMatch(/^::error title=CONFIG_MISSING_VALUE::.*RESTORE_DATABASE_URL/m);
    });

    test('that is confirmed brings the rows back', async () => {
      const run = await act('restore', { inputs: { confirm: 'rebuilt' }, env: target() });
      expect(run.code, run.visible).toBe(0);
      expect(run.outputs).toMatchObject({ status: 'ok', 'set-id': JSON.parse(runs[0]!.outputs['set-ids']!)[0] });
      expect(outputNames('restore')).toEqual(Object.keys(run.outputs).sort());
      expect(await onServer('rebuilt', 'SELECT count(*)::int AS n FROM orders')).toEqual([{ n: 500 }]);
    });

    test('of files asks for the name of the folder', async () => {
      const run = await act('restore', {
        inputs: { what: 'files', to: '/srv/uploads', confirm: '/srv' },
        env: target(),
      });
      expect(run.code).toBe(2);
      expect(run.stdout).toContain("The target is called 'uploads'");
    });
  });

  test('wrong configuration starts nothing: exit 2, one annotation with file, line and remedy', async () => {
    const run = await act('backup', { env, config: 'platform: shop\nbackup:\n  jbos: 2\n' });
    expect(run.code).toBe(2);
    expect(annotations(run)).toEqual([
      expect.stringMatching(
        /^::error title=CONFIG_INVALID::\.github\/ops\.yml:3: unknown key 'backup\.jbos'\. Did you mean 'jobs'\?/,
      ),
    ]);
    expect(run.outputs).toMatchObject({ status: 'critical', 'exit-code': '2', 'report-path': '' });
    expect(run.summary).toContain('CONFIG_INVALID');
  });

  test('a mistyped input starts nothing, and the nearest choice is named', async () => {
    const run = await act('backup', { inputs: { what: 'databse' }, env });
    expect(run.code).toBe(2);
    expect(annotations(run)).toEqual([
      expect.stringMatching(/^::error title=USAGE::The input 'what' is 'databse'.*'database'\?$/),
    ]);
    const flag = await act('backup', { inputs: { 'dry-run': 'yes' }, env });
    expect(annotations(flag)).toEqual([expect.stringContaining("The input 'dry-run' is 'yes'")]);
  });

  test('a wrong password fails the step, is reported, and is not shown', async () => {
    const run = await act('backup', {
      inputs: { prune: 'true' },
      env: { ...env, DATABASE_URL: urlOf(shop, 'not-the-password') },
    });
    expect(run.code).toBe(1);
    expect(annotations(run)).toEqual([expect.stringMatching(/^::error title=PG_AUTH/)]);
    expect(run.outputs).toMatchObject({ status: 'critical', 'exit-code': '1' });
    expect(run.outputs).not.toHaveProperty('set-ids');
    const report = JSON.parse(readFileSync(resolve(runner.workspace, run.outputs['report-path']!), 'utf8'));
    expect(report).toMatchObject({ status: 'critical', error: { code: expect.stringMatching(/^PG_/) }, data: null });
    expect(run.visible + run.summary + JSON.stringify(report)).not.toContain('not-the-password');
    expect(run.summary).not.toContain('Retention');
  });

  test('retention does not run after a backup that is missing at a destination', async () => {
    const config = [
      'backup:',
      '  destinations:',
      `    - { kind: local, path: ${JSON.stringify(env.BACKUP_LOCAL_PATH)} }`,
      // A file where the folder should be.
      `    - { kind: local, path: ${JSON.stringify(join(runner.root, 'backup/dist/main.mjs/below'))} }`,
      '',
    ].join('\n');
    const run = await act('backup', { inputs: { prune: 'true' }, env: { ...env, BACKUP_LOCAL_PATH: '' }, config });
    expect(run.code, run.visible).toBe(3);
    expect(run.stdout).toMatch(/^::error title=backup\.database\.destinations::/m);
    expect(JSON.parse(run.outputs['set-ids']!)).toHaveLength(1);
    expect(run.summary).not.toContain('Retention');
  });

  test('a cancelled run ends in order', async () => {
    const holder = await connect(withDatabase(server.target, shop));
    try {
      // The dump waits for this lock, so the run is surely in the middle when it is cancelled.
      await holder.query('BEGIN; LOCK TABLE orders IN ACCESS EXCLUSIVE MODE');
      const run = await act('backup', {
        env,
        onStart: child =>
          void expect
            .poll(async () => (await holder.query(`SELECT 1 FROM pg_locks WHERE NOT granted`)).rowCount, {
              timeout: 60_000,
            })
            .toBeGreaterThan(0)
            .finally(() => child.kill('SIGINT')),
      });
      expect(run.code).toBe(1);
      expect(annotations(run).at(-1)).toMatch(/^::error title=CANCELLED::/);
      expect(run.outputs).toMatchObject({ status: 'critical', 'exit-code': '1' });
    } finally {
      await holder.end();
    }
  });

  test('no secret is in any log, output, summary, report or backup', async () => {
    const everything = runs.map(run => run.visible + JSON.stringify(run.outputs) + run.summary).join('\n');
    const written = await runner.everythingWritten();
    expect(runs.length).toBeGreaterThan(12);
    expect(written).toContain('production-ops/report/1');
    for (const secret of [password, encodeURIComponent(password), identity]) {
      expect(everything).not.toContain(secret);
      // Files are read byte by byte.
      expect(written).not.toContain(Buffer.from(secret).toString('latin1'));
    }
  });
});

function outputNames(action: ActionName): string[] {
  return Object.keys(parse(readFileSync(join(root, 'actions', action, 'action.yml'), 'utf8')).outputs).sort();
}

function annotations(run: ActionRun): string[] {
  return run.stdout.split('\n').filter(line => /^::(error|warning)/.test(line));
}
