import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import type { AdviseData, AnalyzeData, ApplyData } from '../../actions/lib/database/index.ts';
import { connect, startThrowawayServer, type ThrowawayServer, withDatabase } from '../../actions/lib/postgres/index.ts';
import { type ActionRun, Runner, type RunOptions } from '../actions/bundles.ts';
import { botToken, type GitHubWorld, type Issue, openGitHubWorld, ownerToken } from '../alerts/github-world.ts';

const password = 'pä ss/w?rd#2';
const config = `
platform: shop
database:
  indexes:
    - { table: orders, columns: [total], name: orders_by_total, why: the largest orders first }
  cleanup:
    rules:
      - { table: visits, column: at, olderThan: 30d, archive: false }
`;

/** The built action, where nothing but its own folder has packages. */
describe('the built action of the database', () => {
  let server: ThrowawayServer;
  let runner: Runner;
  let github: GitHubWorld;
  let env: Record<string, string>;
  const runs: ActionRun[] = [];
  const act = async (mode: string, inputs: Record<string, string> = {}, more: RunOptions = {}) => {
    const run = await runner.run('database', { config, env, inputs: { mode, ...inputs }, ...more });
    runs.push(run);
    return run;
  };
  const urlOf = (database: string, user = 'keeper') => {
    const { host, port } = server.target;
    return `postgres://${user}:${encodeURIComponent(password)}@${host}:${port}/${database}?sslmode=disable`;
  };
  const sql = async (text: string, database = 'shop') => {
    const client = await connect(withDatabase(server.target, database));
    try {
      const result: unknown = await client.query(text);
      return ((Array.isArray(result) ? result.at(-1) : result) as { rows: Record<string, unknown>[] }).rows;
    } finally {
      await client.end();
    }
  };
  const reportOf = async <Data>({ outputs }: ActionRun) =>
    JSON.parse(await readFile(resolve(runner.workspace, outputs['report-path']!), 'utf8')) as { data: Data };

  beforeAll(async () => {
    const settings = { shared_preload_libraries: 'pg_stat_statements', autovacuum: false };
    [server, runner, github] = await Promise.all([
      startThrowawayServer({ purpose: 'the test of the action', tcp: true, settings }),
      Runner.open(['database']),
      openGitHubWorld(),
    ]);
    await sql(
      `create role keeper superuser login password '${password}';
       create role reader login password '${password}'; grant pg_monitor, pg_read_all_data to reader`,
      'postgres',
    );
    await sql('create database shop', 'postgres');
    await sql(`
      create extension pg_stat_statements;
      create table orders (id int primary key, customer_id int not null, total int not null, note text);
      insert into orders select i, i % 3000, i % 997, repeat('n', 100) from generate_series(1, 30000) i;
      create table visits (at timestamptz not null);
      insert into visits select now() - (i - 0.5) * interval '1 day' from generate_series(1, 100) i;
      analyze orders`);
    await sql('create database copy template shop', 'postgres');
    for (let n = 0; n < 20; n++) await sql(`select id, total from orders where customer_id = ${n}`);
    env = { DATABASE_URL: urlOf('shop'), ADVISE_COPY_URL: urlOf('copy') };
  }, 120_000);
  afterAll(async () => {
    await server?.stop();
    await runner?.[Symbol.asyncDispose]();
    await github?.[Symbol.asyncDispose]();
  });
  /** With a token; the reports of this workspace are of no interest to that repository. */
  const withGitHub = (): RunOptions => ({
    config: `${config}reports: { publish: false }\n`,
    env: { ...env, GITHUB_TOKEN: botToken, GITHUB_REPOSITORY: 'acme/ops', GITHUB_API_URL: github.proxy.url },
  });

  test('analyses: the statements are parsed in the bundle, a declared index that is missing is a finding', async () => {
    const run = await act('analyze');
    expect(run.code, run.visible).toBe(3);
    const { data } = await reportOf<AnalyzeData>(run);
    expect(data.statements.map(({ text }) => text)).toContain('select id, total from orders where customer_id = $1');
    const drift = data.health.find(({ id }) => id === 'database.indexes.drift');
    expect(drift?.findings).toMatchObject([
      { mend: [expect.stringContaining('CREATE INDEX CONCURRENTLY "orders_by_total"')] },
    ]);
    expect(run.stdout).toMatch(/^::error title=database\.indexes\.drift::/m);
    expect(Number(run.outputs.findings)).toBeGreaterThan(0);
    expect(run.summary).toContain('orders_by_total');
    const { outputs } = parse(await readFile(join(import.meta.dirname, '../../actions/database/action.yml'), 'utf8'));
    expect(Object.keys(run.outputs).sort()).toEqual(Object.keys(outputs).sort());
  });

  test('looks at the connections', async () => {
    const run = await act('connections');
    expect(run.code, run.visible).toBe(0);
    expect(Number(run.outputs['used-ratio'])).toBeGreaterThan(0);
    expect(run.outputs).toMatchObject({ findings: '', offered: '', applied: '', 'deleted-rows': '', analyzed: '' });
  });

  test('advises what it proved on a copy, in an issue; what is chosen of it is applied, and nothing else', async () => {
    const asked = { budget: '50MB', 'write-issue': 'true', 'fail-on-breach': 'false' };
    // Production is only read: a role that may look is enough.
    const written = withGitHub();
    const asReader = { ...written, env: { ...written.env, DATABASE_URL: urlOf('shop', 'reader') } };
    const advice = await act('advise', asked, asReader);
    // The declared index that is missing is a breach still; it is a warning, and the step is green.
    expect([advice.code, advice.outputs['exit-code']], advice.visible).toEqual([0, '3']);
    expect(advice.stdout).toMatch(/^::warning title=database\.indexes\.drift::/m);
    expect(advice.visible).not.toMatch(/^::error/m);
    const { data } = await reportOf<AdviseData>(advice);
    expect(data.copy.kind).toBe('given');
    const offered = JSON.parse(advice.outputs.offered!) as string[];
    const index = data.indexes.find(({ table, id }) => table === 'orders' && id !== null)!;
    expect(offered).toContain(index.id);
    expect(await github.issues()).toEqual([expect.objectContaining({ body: expect.stringContaining(index.id!) })]);

    const planned = await act('apply', { indexes: index.id!, 'dry-run': 'true' });
    expect(planned.code, planned.visible).toBe(0);
    expect(planned.outputs).toMatchObject({ applied: '[]', 'report-path': '' });
    expect(await sql(`select to_regclass('${index.name}') as found`)).toEqual([{ found: null }]);

    const done = await act('apply', { indexes: index.id!, 'chosen-by': 'anna' });
    expect(done.code, done.visible).toBe(0);
    expect(done.outputs.applied).toBe(JSON.stringify([index.id]));
    expect(await reportOf<ApplyData>(done)).toMatchObject({
      data: { chosenBy: 'anna', changes: [{ status: 'done' }] },
    });
    expect(await sql(`select to_regclass('${index.name}')::text as found`)).toEqual([{ found: index.name }]);
  }, 120_000);

  test('applies the change whose label somebody who may write put on the issue of the advice', async () => {
    const advice = await reportOf<AdviseData>(runs.find(({ outputs }) => outputs.offered)!);
    const { id, name } = advice.data.indexes.find(index => index.table === 'orders' && index.id !== null)!;
    await sql(`drop index ${name}`);
    const content = Buffer.from(JSON.stringify(advice)).toString('base64');
    await github.ask('PUT', '/contents/reports/latest/database.advise.json', { message: 'x', content }, ownerToken);
    await github.ask('PUT', '/collaborators/anna', { permission: 'push' }, ownerToken);
    const [{ number }] = (await github.issues()) as [Issue];
    const label = `apply-index:${id}`;
    await github.ask('POST', `/issues/${number}/labels`, { labels: [label] });

    const run = await act(
      'apply',
      { issue: String(number), label },
      { ...withGitHub(), event: { name: 'issues', payload: { action: 'labeled', label: { name: label } } } },
    );
    expect(run.code, run.visible).toBe(0);
    expect(run.outputs.applied).toBe(JSON.stringify([id]));
    expect(await reportOf<ApplyData>(run)).toMatchObject({ data: { chosenBy: 'anna' } });
    expect(await sql(`select to_regclass('${name}')::text as found`)).toEqual([{ found: name }]);
    expect(await github.comments(number)).toEqual([expect.stringContaining('## Changes applied')]);
    expect(github.proxy.violations).toEqual([]);
  });

  test('builds what is declared and missing, once; rebuilds what is named', async () => {
    const run = await act('apply', { declared: 'true', reindex: 'public.orders_pkey' });
    expect(run.code, run.visible).toBe(0);
    expect(JSON.parse(run.outputs.applied!)).toEqual([
      expect.stringMatching(/^create-/),
      expect.stringMatching(/^reindex-/),
    ]);
    expect(await sql(`select to_regclass('orders_by_total')::text as found`)).toEqual([{ found: 'orders_by_total' }]);
    const again = await act('apply', { declared: 'true' });
    expect(again.code, again.visible).toBe(0);
    expect(again.outputs.applied).toBe('[]');
    expect(again.summary).toContain('Every declared index is there');
  });

  test('mends what an earlier run was cut off in, and applies nothing', async () => {
    await sql(`create index half_made on orders (note);
      update pg_index set indisvalid = false where indexrelid = 'half_made'::regclass;
      insert into production_ops.index_changes (index_schema, index_name, table_name, operation, report_id)
        values ('public', 'half_made', 'orders', 'create', '20260101T000000Z-0001')`);
    const run = await act('apply', { mend: 'true' });
    expect(run.code, run.visible).toBe(0);
    expect(run.outputs.applied).toBe('[]');
    expect(await reportOf<ApplyData>(run)).toMatchObject({
      data: { changes: [], mended: [{ index: 'half_made', operation: 'create', status: 'mended' }] },
    });
    expect(await sql(`select to_regclass('half_made') as found`)).toEqual([{ found: null }]);
  });

  test('cleans up, counting first', async () => {
    const counted = await act('cleanup', { 'dry-run': 'true' });
    expect(counted.code, counted.visible).toBe(0);
    expect(counted.visible).toContain('70 rows would be deleted');
    expect(await sql('select count(*)::int as n from visits')).toEqual([{ n: 100 }]);
    const run = await act('cleanup');
    expect(run.code, run.visible).toBe(0);
    expect(run.outputs['deleted-rows']).toBe('70');
    expect(await sql('select count(*)::int as n from visits')).toEqual([{ n: 30 }]);
  });

  test('brings statistics up to date', async () => {
    await sql('update orders set total = total + 1');
    await expect
      .poll(() => sql(`select n_mod_since_analyze > 20000 as is from pg_stat_user_tables where relname = 'orders'`))
      .toEqual([{ is: true }]);
    const run = await act('maintain');
    expect(run.code, run.visible).toBe(0);
    expect(Number(run.outputs.analyzed)).toBeGreaterThan(0);
  });

  test('proves on the backup that is named, and of the database that is named', async () => {
    // Two indexes that might be one are something to prove, without a workload to search for.
    await sql('create database tiny', 'postgres');
    await sql('create table t (a int, b int, c int); create index on t (a, b); create index on t (a, c)', 'tiny');
    const tiny = { env: { DATABASE_URL: urlOf('tiny'), BACKUP_LOCAL_PATH: join(runner.workspace, 'backups') } };
    const unknown = await act('advise', { set: '20200101T000000Z-0001' }, tiny);
    expect(unknown.code, unknown.visible).toBe(1);
    expect(unknown.visible).toMatch(/^::error title=SET_UNKNOWN::.*20200101T000000Z-0001/m);
    const other = await act('advise', { source: 'shop_eu' }, tiny);
    expect(await reportOf<AdviseData>(other)).toMatchObject({
      data: { copy: { kind: 'none', why: expect.stringContaining('There is no database set of shop_eu') } },
    });
  });

  test.each<[Record<string, string>, RegExp]>([
    [{ mode: 'analyse' }, /The input 'mode' is 'analyse', which is not one of: .*'analyze'\?/],
    [{ mode: 'apply' }, /Nothing was chosen/],
    [{ mode: 'apply', issue: '4', mend: 'true' }, /The input 'mend' is 'true', and with 'issue' the label on it says/],
    [{ mode: 'apply', issue: '4', label: 'bug' }, /The label 'bug' chooses no change/],
    [{ mode: 'apply', issue: '4', label: 'apply-index:create-938b48244ba6' }, /There is no token for GitHub/],
  ])('%j is refused before anything is done', async (inputs, message) => {
    const run = await act('', inputs);
    expect(run.code, run.visible).toBe(2);
    expect(run.visible).toMatch(message);
  });

  test('shows no secret anywhere', async () => {
    const everything = runs.map(run => run.visible + JSON.stringify(run.outputs) + run.summary).join('\n');
    const written = await runner.everythingWritten();
    for (const secret of [password, encodeURIComponent(password)]) {
      expect(everything).not.toContain(secret);
      expect(written).not.toContain(Buffer.from(secret).toString('latin1'));
    }
  });
});
