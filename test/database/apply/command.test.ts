import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { adviceSchema, type OfferedChange } from '../../../actions/lib/database/apply/change.ts';
import type { ApplyData } from '../../../actions/lib/database/index.ts';
import { indexName } from '../../../actions/lib/database/indexes/index.ts';
import type { PostgresTarget } from '../../../actions/lib/postgres/index.ts';
import { type Env, expectRefused, Stage, whenTrue } from '../../backup/failures/stage.ts';
import { adviceReport } from '../advice-issue/fixture.ts';
import { column, create, drop, orders } from './stage.ts';

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.open();
});
afterAll(() => stage?.[Symbol.asyncDispose]());

const byCustomer = column('orders', 'customer_id');
const byStatus = column('orders', 'status', 'id');
const name = indexName(byCustomer);

/** As the advisor leaves it in the reports folder. */
function advise(changes: OfferedChange[], edit: (text: string) => string = text => text): string {
  const report = adviceReport(adviceSchema.parse({ changes, evidence: 'what else an advice holds' }));
  const folder = join(stage.work, 'reports', 'latest');
  mkdirSync(folder, { recursive: true });
  const path = join(folder, 'database.advise.json');
  writeFileSync(path, edit(JSON.stringify(report)));
  return path;
}

let count = 0;
async function shop(sql = ''): Promise<{ env: Env; target: PostgresTarget }> {
  const database = `shop${++count}`;
  const target = await stage.database(database, orders + sql);
  return { env: stage.env(database), target };
}

async function indexesOf(target: PostgresTarget): Promise<unknown[]> {
  const rows = await stage.sql(
    target,
    "select relname, indisvalid from pg_index join pg_class on oid = indexrelid where indrelid = 'orders'::regclass order by 1",
  );
  return rows.map(row => `${row.relname}${row.indisvalid ? '' : ' (invalid)'}`);
}

describe('ops database apply', () => {
  test('applies what is chosen of the latest advice and nothing else, and says how to take it back', async () => {
    const { env, target } = await shop();
    const [first, second] = [create(byCustomer), create(byStatus)];
    advise([first, second]);
    const ran = await stage.ops(`database apply --index ${first.id}`, env);
    expect(ran, ran.stderr).toMatchObject({ exitCode: 0 });
    expect(ran.stdout).toContain(`create ${name} on public.orders: done, built, and valid (`);
    expect(ran.stdout).toContain(`to take it back: DROP INDEX CONCURRENTLY "public"."${name}";`);
    expect(await indexesOf(target)).toEqual([name, 'orders_pkey']);
  });

  test('with --dry-run prints the statements, and changes and records nothing', async () => {
    const { env, target } = await shop('create index old on orders (total);');
    const change = create(byCustomer);
    advise([change]);
    const ran = await stage.ops(`database apply --index ${change.id} --reindex old --dry-run`, env);
    expect(ran, ran.stderr).toMatchObject({ exitCode: 0 });
    expect(ran.stdout).toContain(
      `CREATE INDEX CONCURRENTLY "${name}" ON "public"."orders" USING btree ("customer_id");`,
    );
    expect(ran.stdout).toContain('REINDEX INDEX CONCURRENTLY "public"."old";');
    expect(ran.stdout).not.toContain('Report:');
    expect(await indexesOf(target)).toEqual(['old', 'orders_pkey']);
    expect(await stage.sql(target, "select to_regnamespace('production_ops') as schema")).toEqual([{ schema: null }]);
  });

  test('refuses to choose for you, an id that is not offered, and an advice that was changed', async () => {
    const { env } = await shop();
    const change = create(byCustomer);
    const path = advise([change]);
    expectRefused(await stage.ops('database apply', env), 2, 'USAGE', 'Nothing was chosen', '--index');
    expectRefused(
      await stage.ops(`database apply --mend --index ${change.id}`, env),
      2,
      'USAGE',
      'Changes were chosen, and only mending as well',
      'Leave out either --mend or',
    );
    expectRefused(
      await stage.ops(`database apply --index ${change.id.slice(0, -1)}x`, env),
      2,
      'APPLY_UNKNOWN_ID',
      `Did you mean ${change.id}?`,
    );
    advise([change], text => text.replace('"column":"customer_id"', '"column":"id"'));
    expectRefused(
      await stage.ops(`database apply --report ${path} --index ${change.id}`, env),
      1,
      'APPLY_ADVICE_INVALID',
      'does not belong to what stands beside it',
    );
    expectRefused(
      await stage.ops('database apply --report nothing.json --index create-000000000000', env),
      2,
      'APPLY_NO_ADVICE',
    );
  });

  test('what fails is a report with a check for each change; exit code 3', async () => {
    const { env } = await shop('create table taken (); ');
    const gone = create(column('orders', 'gone'));
    const change = create(byCustomer);
    advise([gone, change]);
    const report = await stage.report(`database apply --index ${gone.id},${change.id}`, env);
    expect(report.exitCode).toBe(3);
    expect(report.checks.map(check => [check.id, check.status])).toEqual([
      ['database.apply.change', 'warning'],
      ['database.apply.change', 'ok'],
      ['database.indexes.leftover', 'ok'],
    ]);
  });

  test('killed in the middle: nothing keeps running, the next run finds it, says so and mends it', async () => {
    const { env, target } = await shop();
    const change = create(byCustomer);
    advise([change]);
    // The build waits for this snapshot at its end; young enough not to be waited for before it begins.
    const reader = await stage.ask(target);
    await reader('begin isolation level repeatable read');
    await reader('select 1');
    const { child, ended } = stage.start(`database apply --index ${change.id}`, env);
    const phase = `select phase from pg_stat_progress_create_index where phase = 'waiting for old snapshots'`;
    await whenTrue(async () => (await stage.sql(target, phase)).length > 0);
    child.kill('SIGKILL');
    await ended;
    expect(await indexesOf(target)).toEqual([`${name} (invalid)`, 'orders_pkey']);

    // The server notices that nobody waits for the build, and ends it.
    const second = await stage.report('database apply --mend', env);
    expect(second, second.stderr).toMatchObject({ exitCode: 0 });
    expect((second.data as ApplyData).mended).toEqual([
      expect.objectContaining({ index: name, operation: 'create', status: 'mended' }),
    ]);
    expect(await indexesOf(target)).toEqual(['orders_pkey']);
    await reader('commit');
    await reader.end();
    const third = await stage.ops(`database apply --index ${change.id}`, env);
    expect(third, third.stderr).toMatchObject({ exitCode: 0 });
    expect(await indexesOf(target)).toEqual([name, 'orders_pkey']);
  });

  test('killed in a drop and in a rebuild: the drop is finished, the copy is dropped', async () => {
    const { env, target } = await shop('create index old on orders (total); create index kept on orders (email);');
    const [row] = await stage.sql(target, "select pg_get_indexdef('old'::regclass) as definition");
    const change = drop({
      schema: 'public',
      name: 'old',
      table: 'orders',
      definition: row!.definition as string,
      scans: null,
      coveredBy: null,
    });
    advise([change]);
    const reader = await stage.ask(target);
    await reader('begin');
    await reader('select from orders limit 1');
    const waiting = `select from pg_stat_activity where application_name = 'production-ops apply' and wait_event_type = 'Lock' and datname = current_database()`;
    for (const what of [`--index ${change.id}`, '--reindex kept']) {
      const { child, ended } = stage.start(`database apply ${what}`, env);
      await whenTrue(async () => (await stage.sql(target, waiting)).length > 0);
      child.kill('SIGKILL');
      await ended;
      await whenTrue(async () => (await stage.sql(target, waiting)).length === 0);
      // The second run must not put the first right before it is killed itself.
      if (what.startsWith('--index'))
        await stage.sql(target, 'alter table production_ops.index_changes rename to kept_back');
    }
    await stage.sql(
      target,
      'insert into production_ops.kept_back select * from production_ops.index_changes; drop table production_ops.index_changes; alter table production_ops.kept_back rename to index_changes',
    );
    await reader('commit');
    await reader.end();
    expect(await indexesOf(target)).toEqual(
      expect.arrayContaining(['old (invalid)', expect.stringMatching(/^kept_cc.* \(invalid\)$/)]),
    );
    const report = await stage.report('database apply --mend', env);
    expect(report, report.stderr).toMatchObject({ exitCode: 0 });
    expect((report.data as ApplyData).mended.map(({ index, operation, status }) => [index, operation, status])).toEqual(
      [
        ['old', 'drop', 'mended'],
        ['kept', 'reindex', 'mended'],
      ],
    );
    expect(await indexesOf(target)).toEqual(['kept', 'orders_pkey']);
  });
});
