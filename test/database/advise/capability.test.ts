import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Advice, advise } from '../../../actions/lib/database/advise/index.ts';
import { createIndexSql, definitionSql } from '../../../actions/lib/database/indexes/index.ts';
import { proveIndexes } from '../../../actions/lib/database/prove/index.ts';
import {
  indexesInPlan,
  type PlanNode,
  type WorkloadStatement,
} from '../../../actions/lib/database/statements/index.ts';
import { connect, startThrowawayServer, type ThrowawayServer, withUser } from '../../../actions/lib/postgres/index.ts';
import {
  capabilityCases,
  capabilityIndexes,
  capabilityWorkload,
  createCapabilityTables,
} from '../../../scripts/workload/capability.ts';
import { requireService } from '../../services/requirements.ts';
import { options, provable } from '../prove/fixture.ts';

let server: ThrowawayServer;
let client: pg.Client;
let statements: WorkloadStatement[];

beforeAll(async () => {
  server = await startThrowawayServer({ purpose: 'the tests of the advisor', settings: { autovacuum: false } });
  client = await connect(server.target);
  await createCapabilityTables(client, { rows: 40_000 });
  statements = await capabilityWorkload();
}, 120_000);

afterAll(async () => {
  await client?.end();
  await server?.stop();
});

async function planOf(sql: string): Promise<PlanNode> {
  const { rows } = await client.query(`EXPLAIN (FORMAT JSON) ${sql}`);
  return rows[0]['QUERY PLAN'][0].Plan;
}

describe('a schema with keys and nothing else', () => {
  let advice: Advice;
  beforeAll(async () => {
    advice = await advise({
      client,
      target: server.target,
      statements,
      evaluator: 'planner copy',
      budgetBytes: 2 ** 30,
    });
  }, 120_000);

  it('every kind of statement is answered, and the planner uses the answer when it is built', async () => {
    expect(advice.unanswered).toEqual([]);
    await client.query('BEGIN');
    try {
      const before = new Map<string, number>();
      for (const { name, sql } of capabilityCases) before.set(name, (await planOf(sql))['Total Cost']);
      for (const { definition, name } of advice.chosen)
        await client.query(createIndexSql(definition, name, { concurrently: false }));
      await client.query('ANALYZE');
      const chosen = new Map(advice.chosen.map(index => [index.name, index.definition]));
      for (const { name, sql, methods } of capabilityCases) {
        const plan = await planOf(sql);
        const used = [...indexesInPlan(plan)].flatMap(index => chosen.get(index) ?? []);
        expect(
          used.some(definition => methods.some(method => method === definition.method)),
          name,
        ).toBe(true);
        expect(plan['Total Cost'], name).toBeLessThan(before.get(name)! * 0.8);
      }
    } finally {
      await client.query('ROLLBACK');
    }
  }, 120_000);

  it('the index has the columns, order, condition and carried columns that the statement asks for', () => {
    for (const { name, sql, has } of capabilityCases) {
      const own = statements[capabilityCases.findIndex(each => each.sql === sql)]!;
      const serving = advice.chosen.filter(index =>
        index.statements.some(each => each.fingerprint === own.fingerprint),
      );
      const definitions = serving.map(index => definitionSql(index.definition)).join('\n');
      if (has) expect(definitions, name).toMatch(has);
    }
  });

  it('says of each index what it is for and which statements it serves', () => {
    for (const index of advice.chosen) {
      expect(index.statements.length, definitionSql(index.definition)).toBeGreaterThan(0);
      expect(index.savedMs).toBeGreaterThan(0);
      expect(index.reason).toMatch(/used by .* cheaper/);
    }
    expect(advice.totalMsAfter).toBeLessThan(advice.totalMsBefore * 0.3);
  });

  it('is the same set again when the times differ by a fifth and the statements come in another order', async () => {
    const [noisy, other] = [[0.8, 1, 1.2, 0.9, 1.1] as const, [1.2, 1.1, 0.8, 1, 0.9] as const];
    for (const factors of [noisy, other]) {
      const again = await advise({
        client,
        target: server.target,
        statements: statements
          .map((each, n) => ({ ...each, totalMs: each.totalMs * factors[n % factors.length]! }))
          .reverse(),
        evaluator: 'planner copy',
        budgetBytes: 2 ** 30,
      });
      expect(again.chosen.map(({ name }) => name).sort()).toEqual(advice.chosen.map(({ name }) => name).sort());
    }
  }, 120_000);

  it('keeps the budget, and spends a small one where it saves most', async () => {
    const small = await advise({
      client,
      target: server.target,
      statements,
      evaluator: 'planner copy',
      budgetBytes: 2 ** 21,
    });
    expect(small.chosenBytes).toBeLessThanOrEqual(2 ** 21);
    expect(small.chosen.length).toBeGreaterThan(2);
    expect(small.totalMsAfter).toBeGreaterThan(advice.totalMsAfter);
  }, 120_000);
});

requireService('hypopg')('with HypoPG in the database', () => {
  it('the same is answered, the server asked about B-trees and the copy about GIN', async () => {
    await client.query('CREATE EXTENSION IF NOT EXISTS hypopg');
    try {
      const advice = await advise({ client, target: server.target, statements, budgetBytes: 2 ** 30 });
      expect(advice.evaluator).toBe('hypopg');
      expect(advice.unanswered).toEqual([]);
      expect(new Set(advice.chosen.map(index => index.definition.method))).toEqual(new Set(['btree', 'gin']));
      const { rows } = await client.query('SELECT count(*)::int AS n FROM hypopg_list_indexes');
      expect(rows[0].n).toBe(0);
    } finally {
      await client.query('DROP EXTENSION hypopg');
    }
  }, 120_000);

  it('a role that may only read gets the same: no plan of a statement that writes asks for the right to write', async () => {
    await client.query('CREATE EXTENSION IF NOT EXISTS hypopg');
    await client.query("CREATE ROLE reader LOGIN PASSWORD 'reads'; GRANT pg_monitor, pg_read_all_data TO reader");
    const target = withUser(server.target, 'reader', 'reads');
    const reader = await connect(target, {
      settings: { default_transaction_read_only: 'on', search_path: 'capability, public' },
    });
    try {
      const writing = statements.filter((_, n) => /^(update|delete)/i.test(capabilityCases[n]!.sql.trim()));
      expect(writing.length).toBeGreaterThan(0);
      const advice = await advise({ client: reader, target, statements: writing, budgetBytes: 2 ** 30 });
      expect(advice.evaluator).toBe('hypopg');
      expect(advice.unanswered).toEqual([]);
      expect(advice.chosen.length).toBeGreaterThan(0);
    } finally {
      await reader.end();
      await client.query('DROP OWNED BY reader; DROP ROLE reader; DROP EXTENSION hypopg');
    }
  }, 120_000);

  it('and without a copy beside it, what could not be judged is said', async () => {
    await client.query('CREATE EXTENSION IF NOT EXISTS hypopg');
    try {
      const advice = await advise({ client, statements, budgetBytes: 2 ** 30 });
      expect(advice.notes.join()).toContain('GIN indexes could not be judged before the proof');
      expect(advice.chosen.some(index => index.definition.method === 'btree')).toBe(true);

      // It goes to the proof all the same, which builds it and offers what is used and pays.
      expect(new Set(advice.unjudged.map(index => index.definition.method))).toEqual(new Set(['gin']));
      const served = capabilityCases.filter(({ methods }) => methods.includes('gin') && methods.length === 1);
      const proof = await proveIndexes(
        options(server.target, {
          statements: await Promise.all(served.map(({ sql }) => provable(sql))),
          proposed: advice.unjudged.map(index => ({ ...index, replaces: [] })),
          settings: { search_path: 'capability, public' },
        }),
      );
      const offered = proof.indexes.filter(index => index.verdict === 'offered');
      expect(offered).toHaveLength(served.length);
      for (const { name, has } of served)
        expect(offered.map(each => definitionSql(each.index.definition)).join('\n'), name).toMatch(has!);
    } finally {
      await client.query('DROP EXTENSION hypopg');
    }
  }, 120_000);

  it('of what could not be judged only what there is room for goes to the proof, and only of that it is promised', async () => {
    await client.query('CREATE EXTENSION IF NOT EXISTS hypopg');
    try {
      const served = statements.filter((_, n) => capabilityCases[n]!.methods.join() === 'gin');
      const ask = (budgetBytes: number) => advise({ client, statements: served, budgetBytes });
      const sizes = (await ask(2 ** 30)).unjudged.map(index => index.estimatedBytes);
      expect(sizes.length).toBeGreaterThan(1);
      const advice = await ask(Math.max(...sizes));
      const proved = advice.unjudged.flatMap(index => index.statements.map(each => each.fingerprint));
      const promised = advice.unanswered.filter(each => each.why.endsWith('the proof says.'));
      expect(promised.map(each => each.fingerprint).sort()).toEqual(proved.sort());
      const others = advice.unanswered.filter(each => !promised.includes(each));
      expect(others.length).toBeGreaterThan(0);
      for (const each of others) expect(each.why).toMatch(/^A GIN index of about .*B could serve it.* not proved\.$/);
    } finally {
      await client.query('DROP EXTENSION hypopg');
    }
  }, 120_000);
});

it('with neither HypoPG nor a copy there is one clear error', async () => {
  await expect(advise({ client, statements })).rejects.toMatchObject({ code: 'ADVISE_NO_EVALUATOR' });
});

describe('a schema that is well indexed already', () => {
  it('gets no advice', async () => {
    await client.query('BEGIN');
    try {
      for (const sql of capabilityIndexes) await client.query(sql);
      await client.query('ANALYZE; COMMIT');
      const advice = await advise({ client, target: server.target, statements, evaluator: 'planner copy' });
      expect(advice.chosen.map(index => definitionSql(index.definition))).toEqual([]);
    } finally {
      await client.query('ROLLBACK');
    }
  }, 120_000);
});
