import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { explainSamples } from '../../../actions/lib/database/advise/explain-samples.ts';
import {
  explainableSql,
  explainStatement,
  indexesInPlan,
  type PlanNode,
  parameterValues,
  parseStatement,
  planNodes,
  prepareStatement,
  resolveUsage,
  type WorkloadStatement,
} from '../../../actions/lib/database/statements/index.ts';
import { openStage, type Stage } from './stage.ts';

let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
});
afterAll(async () => {
  await stage?.[Symbol.asyncDispose]();
});

describe('a statement as pg_stat_statements keeps it', () => {
  it.each([
    ['SELECT now() - interval $1', 'SELECT now() - CAST($1 AS interval)'],
    [
      `SELECT 'ü', date $1, timestamp  with time zone $2`,
      `SELECT 'ü', CAST($1 AS date), CAST($2 AS timestamp  with time zone)`,
    ],
    ['SELECT extract($1 FROM placed_at) FROM orders', 'SELECT pg_catalog.date_part($1, placed_at) FROM orders'],
    ['SELECT EXTRACT($1 from now() - interval $2)', 'SELECT pg_catalog.date_part($1, now() - CAST($2 AS interval))'],
    ['SELECT $1::interval, CAST($2 AS date)', 'SELECT $1::interval, CAST($2 AS date)'],
  ])('%s', async (sql, expected) => {
    expect(explainableSql(await parseStatement(sql))).toBe(expected);
  });

  it.each([
    'SELECT * FROM orders WHERE placed_at > now() - interval $1 AND status = $2 ORDER BY id DESC LIMIT $3 OFFSET $4',
    'SELECT * FROM orders WHERE day > current_date - $1',
    'SELECT extract($1 FROM placed_at), count(*) FROM orders WHERE day BETWEEN $2 AND $3 GROUP BY 1',
    'SELECT * FROM orders WHERE payload @> $1 AND tags @> $2 AND mood = $3 AND total > $4 AND note LIKE $5',
    'SELECT * FROM orders WHERE id = ANY ($1) AND status IN ($2, $3)',
    `SELECT * FROM content.pages WHERE to_tsvector($1, body) @@ plainto_tsquery($2, $3)`,
    'UPDATE orders SET status = $1, payload = $2, tags = $3, mood = $4 WHERE id = $5',
    'INSERT INTO users (id, email, name, is_admin, deleted_at) VALUES ($1, $2, $3, $4, $5)',
    'DELETE FROM users WHERE deleted_at < $1 AND NOT is_admin',
    'SELECT * FROM users WHERE name = $1 AND lower(email) = lower($2)',
    'SELECT * FROM logs WHERE at >= $1 AND at < $2 AND line ~ $3',
    'SELECT 1 FROM orders WHERE (placed_at, id) < ($1, $2)',
    'SELECT date_trunc($1, placed_at) FROM orders WHERE payload->>$2 = $3',
  ])('is explained with values and without: %s', async sql => {
    const statement = await parseStatement(sql);
    const usage = resolveUsage(statement, stage.catalog);
    const { types } = await prepareStatement(stage.client, statement);
    const values = parameterValues(usage, types, stage.statistics);
    const withValues = await explainStatement(stage.client, statement, { kind: 'values', values });
    const generic = await explainStatement(stage.client, statement, { kind: 'generic' });
    expect(withValues.plan['Total Cost']).toBeGreaterThan(0);
    expect(generic.plan['Total Cost']).toBeGreaterThan(0);
    // The values are such that the plan has rows in it: none was folded away.
    expect(
      planNodes(withValues.plan).some(node => node['Node Type'] === 'Result' && node['One-Time Filter'] === 'false'),
    ).toBe(false);
  });
});

describe('the values of parameters', () => {
  it('come from the statistics of the column they are compared with', async () => {
    const statement = await parseStatement(
      'SELECT 1 FROM orders WHERE user_id = $1 AND placed_at > $2 AND tags @> $3 AND payload @> $4 AND note LIKE $5',
    );
    const { types } = await prepareStatement(stage.client, statement);
    const values = parameterValues(resolveUsage(statement, stage.catalog), types, stage.statistics);
    expect(Number(values[0])).toBeGreaterThan(1);
    expect(values[1]).toMatch(/^2025-01-1/);
    expect(values[2]).toMatch(/^\{"t\d+"\}$/);
    expect(Object.keys(JSON.parse(values[3]!))).toHaveLength(1);
    expect(values[4]).toMatch(/^%[\p{L}\p{N}]+%$/u);
  });

  it('that are known are kept', async () => {
    const statement = await parseStatement('SELECT 1 FROM orders WHERE status = $1 AND note = $2');
    const values = parameterValues(resolveUsage(statement, stage.catalog), ['text', 'text'], stage.statistics, [
      'open',
      null,
    ]);
    expect(values).toEqual(['open', null]);
  });
});

describe('the cost of a plan that a LIMIT ends early', () => {
  const ask = async (sql: string, samples: string[][] = [[]]) => {
    const parsed = await parseStatement(sql);
    const usage = resolveUsage(parsed, stage.catalog);
    const statement = { id: 0, workload: {} as WorkloadStatement, parsed, usage, samples };
    const { cost } = await explainSamples(stage.client, statement);
    const { rows } = await stage.client.query(`EXPLAIN (FORMAT JSON) ${sql.replace('$1', `'${samples[0]![0]}'`)}`);
    const plan: PlanNode = rows[0]['QUERY PLAN'][0].Plan;
    return { cost, plan, planned: plan['Total Cost'], whole: plan.Plans?.[0]?.['Total Cost'] ?? 0 };
  };

  it('is the planner’s where every row that is read is wanted', async () => {
    const { cost, planned, whole } = await ask('SELECT * FROM orders ORDER BY id LIMIT 10');
    expect(cost).toBe(planned);
    expect(whole).toBeGreaterThan(planned * 100);
  });

  it('is more where rows are thrown away until there are enough: the planner takes them to be spread evenly', async () => {
    for (const sql of [
      `SELECT * FROM orders WHERE status = 'open' LIMIT 1`,
      `SELECT * FROM orders WHERE status = 'open' ORDER BY id LIMIT 1`,
    ]) {
      const { cost, planned, whole } = await ask(sql);
      expect(cost, sql).toBeCloseTo(planned + (whole - planned) * 0.03, 6);
      expect(cost, sql).toBeGreaterThan(planned * 1.5);
    }
  });

  it('is the planner’s again where everything had to be read before the first row', async () => {
    const { cost, planned, plan } = await ask('SELECT status, count(*) FROM orders GROUP BY status ORDER BY 2 LIMIT 1');
    expect(plan['Node Type']).toBe('Limit');
    expect(cost).toBeCloseTo(planned, 1);
  });

  it('of several samples is the mean', async () => {
    const sql = 'SELECT * FROM orders WHERE id < $1';
    const [few, many] = [await ask(sql, [['2']]), await ask(sql, [['2000']])];
    const both = await ask(sql, [['2'], ['2000']]);
    expect(both.cost).toBeCloseTo((few.cost + many.cost) / 2, 6);
    expect(many.cost).not.toBe(few.cost);
  });
});

describe('an explained statement', () => {
  it('names the indexes that its plan reads', async () => {
    const statement = await parseStatement('SELECT * FROM orders WHERE id = $1');
    const { plan } = await explainStatement(stage.client, statement, { kind: 'values', values: ['5'] });
    expect([...indexesInPlan(plan)]).toEqual(['orders_pkey']);
  });

  it('that writes is not executed without leave, and with it leaves nothing behind', async () => {
    const statement = await parseStatement('DELETE FROM logs WHERE id < $1');
    const mode = { kind: 'values', values: ['100'] } as const;
    await expect(explainStatement(stage.client, statement, mode, { analyze: true })).rejects.toMatchObject({
      code: 'SQL_WRITES',
    });
    const measured = await explainStatement(stage.client, statement, mode, {
      analyze: true,
      buffers: true,
      mayExecuteWrites: true,
    });
    expect(measured.executionMs).toBeGreaterThan(0);
    const { rows } = await stage.client.query('SELECT count(*)::int AS n FROM logs');
    expect(rows[0].n).toBe(8000);
  });

  it('that the server refuses says why, inside of a transaction too, which goes on', async () => {
    const statement = await parseStatement('SELECT nothing FROM orders');
    await stage.client.query('BEGIN');
    await expect(explainStatement(stage.client, statement, { kind: 'generic' })).rejects.toMatchObject({
      code: 'SQL_REFUSED',
      message: expect.stringContaining('column "nothing" does not exist'),
    });
    expect((await stage.client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    await stage.client.query('ROLLBACK');
  });

  it('cut off in the middle, or several at once, is no statement', async () => {
    await expect(parseStatement(`SELECT * FROM orders WHERE status = 'op`)).rejects.toMatchObject({
      code: 'SQL_PARSE',
    });
    await expect(parseStatement('SELECT 1; SELECT 2')).rejects.toMatchObject({ code: 'SQL_PARSE' });
  });

  it('has one fingerprint for all constants, aliases and white space', async () => {
    const prints = await Promise.all(
      ['SELECT a FROM t x WHERE x.a = 1', 'select  a from t as y where y.a = $1', 'SELECT b FROM t WHERE b = 1'].map(
        async sql => (await parseStatement(sql)).fingerprint,
      ),
    );
    expect(prints[0]).toMatch(/^[0-9a-f]{16}$/);
    expect(prints[2]).not.toBe(prints[0]);
  });
});
