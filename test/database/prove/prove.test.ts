import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CopySession } from '../../../actions/lib/database/prove/copy-session.ts';
import {
  type IndexProof,
  type Proof,
  proveIndexes,
  type RemovalProof,
} from '../../../actions/lib/database/prove/index.ts';
import { parseStatement } from '../../../actions/lib/database/statements/index.ts';
import {
  type PostgresTarget,
  startThrowawayServer,
  type ThrowawayServer,
} from '../../../actions/lib/postgres/index.ts';
import { databaseWith, indexesOf, options, ordersSql, proposed, provable, query } from './fixture.ts';

let server: ThrowawayServer;
let target: PostgresTarget;
beforeAll(async () => {
  server = await startThrowawayServer({ purpose: 'the proof tests', settings: { autovacuum: false } });
  target = await databaseWith(server, 'shop', ordersSql);
});
afterAll(() => server?.stop());

const proofOf = (proof: Proof, name: string): IndexProof => proof.indexes.find(each => each.index.name === name)!;
const removalOf = (proof: Proof, name: string): RemovalProof => proof.removals.find(each => each.index.name === name)!;

describe('an index', () => {
  test('that its statement is faster by is offered, with its size, build time and write cost', async () => {
    const byCustomer = proposed('orders', ['customer_id']);
    const proof = await proveIndexes(
      options(target, {
        proposed: [byCustomer],
        statements: [await provable('select * from orders where customer_id = $1', [['17'], ['4000'], ['2']])],
      }),
    );
    const [index] = proof.indexes;
    expect(index).toMatchObject({ verdict: 'offered', users: [proof.statements[0]!.statement.statement.fingerprint] });
    expect(index!.build!.bytes).toBeGreaterThan(100_000);
    expect(index!.savedMs).toBeGreaterThan(5_000);
    expect(index!.write!.insert!.withMs).toBeGreaterThan(index!.write!.insert!.withoutMs);
    expect(index!.write!.update).toMatchObject({ hotShareWith: 0 });
    expect(proof.statements[0]).toMatchObject({ outcome: 'faster', reads: [byCustomer.name] });
    expect(proof.statements[0]!.before!.buffers).toBeGreaterThan(proof.statements[0]!.after!.buffers * 10);
    expect(proof.totalMsAfter).toBeLessThan(proof.totalMsBefore / 2);
    expect(await indexesOf(target)).toEqual(['customers_pkey', 'items_pkey', 'orders_pkey', 'returns_pkey']);
  });

  test('that no plan uses is not offered, and one that another makes superfluous neither', async () => {
    const useless = proposed('orders', ['note']);
    const both = [proposed('orders', ['customer_id']), proposed('orders', ['customer_id', '-placed_at'])];
    const proof = await proveIndexes(
      options(target, {
        proposed: [useless, ...both],
        statements: [
          await provable('select * from orders where customer_id = $1', [['17']], 1_000),
          await provable(
            'select id from orders where customer_id = $1 order by placed_at desc limit 3',
            [['17']],
            50_000,
          ),
        ],
      }),
    );
    expect(proofOf(proof, useless.name)).toMatchObject({
      verdict: 'not offered',
      why: expect.stringContaining('does not use it'),
    });
    expect(both.map(each => proofOf(proof, each.name).verdict).sort()).toEqual(['not offered', 'offered']);
  });

  test('that makes another statement slower is blamed for it and not offered', async () => {
    const byQueue = proposed('returns', ['queue']);
    const byCustomer = proposed('orders', ['customer_id']);
    // All that is refunded came first: the planner walks the new index back from today, and meets it at the very end.
    const victim = await provable(
      `select * from returns where status = $1 order by queue desc limit 1`,
      [['refunded']],
      20_000,
    );
    const proof = await proveIndexes(
      options(target, {
        proposed: [byQueue, byCustomer],
        statements: [
          victim,
          await provable('select count(*) from returns where queue < $1', [['100']], 5_000),
          await provable('select * from orders where customer_id = $1', [['17']], 5_000),
        ],
      }),
    );
    expect(proofOf(proof, byQueue.name)).toMatchObject({
      verdict: 'not offered',
      why: expect.stringContaining(victim.statement.fingerprint),
    });
    expect(proofOf(proof, byCustomer.name).verdict).toBe('offered');
    expect(proof.statements.map(each => each.outcome)).toEqual(['same', 'same', 'faster']);
  });

  test('that costs production more to write than it saves is not offered', async () => {
    const byCustomer = proposed('orders', ['customer_id']);
    const statements = [await provable('select * from orders where customer_id = $1', [['17']], 5)];
    const asked = (inserted: number) =>
      proveIndexes(
        options(target, { proposed: [byCustomer], statements, writesOf: () => ({ inserted, updatedNotHot: 0 }) }),
      );
    expect((await asked(1)).indexes[0]).toMatchObject({ verdict: 'offered' });
    expect((await asked(50_000_000)).indexes[0]).toMatchObject({
      verdict: 'not offered',
      why: expect.stringContaining('costs production more'),
    });
  });

  test('of an expression, a part of the rows or JSON is proved as any other, and so is a trigram index', async () => {
    const documents = await databaseWith(
      server,
      'documents',
      `create extension pg_trgm;
       create table docs (id int primary key, body jsonb not null, title text not null, state text not null);
       insert into docs select g, jsonb_build_object('k', g % 5000, 'tags', jsonb_build_array(g % 700)),
              'Title ' || md5(g::text), case when g % 1000 = 0 then 'open' else 'done' end from generate_series(1, 60000) g`,
    );
    const indexes = [
      proposed('docs', [], { keys: [{ kind: 'expression', expression: `lower(title)` }] }),
      proposed('docs', ['id'], { where: `state = 'open'::text` }),
      proposed('docs', [], { method: 'gin', keys: [{ kind: 'column', column: 'body', opclass: 'jsonb_path_ops' }] }),
      proposed('docs', [], { method: 'gin', keys: [{ kind: 'column', column: 'title', opclass: 'gin_trgm_ops' }] }),
    ];
    const proof = await proveIndexes(
      options(documents, {
        proposed: indexes,
        statements: [
          await provable('select id from docs where lower(title) = $1', [['title c4ca4238a0b923820dcc509a6f75849b']]),
          await provable(`select id, title from docs where state = 'open' order by id limit 5`),
          await provable('select id from docs where body @> $1', [['{"k": 17}'], ['{"tags": [6]}']]),
          await provable('select id from docs where title like $1', [['%c4ca4238%']]),
        ],
      }),
    );
    expect(proof.indexes.map(each => [each.verdict, each.why])).toEqual(
      indexes.map(() => ['offered', expect.stringContaining('faster')]),
    );
    expect(proof.indexes[3]!.write!.insert).toBeDefined();
  });

  test('that serves only the check of a foreign key is seen to be used', async () => {
    const family = await databaseWith(
      server,
      'family',
      `create table parents (id int primary key);
       create table children (id int primary key, parent_id int references parents, name text);
       insert into parents select generate_series(1, 20000);
       insert into children select g, 1 + g % 10000, md5(g::text) from generate_series(1, 100000) g`,
    );
    const proof = await proveIndexes(
      options(family, {
        proposed: [proposed('children', ['parent_id'])],
        statements: [await provable('delete from parents where id = $1', [['15000'], ['19999']])],
      }),
    );
    expect(proof.indexes[0]).toMatchObject({ verdict: 'offered' });
    expect(await query(family, 'select count(*)::int as n from parents')).toEqual([{ n: 20_000 }]);
  });

  test('is not said to be read by what came after the statement that read it', async () => {
    const busy = await databaseWith(
      server,
      'busy_copy',
      `create table items (id int primary key, kind int, name text);
       insert into items select g, g % 7, md5(g::text) from generate_series(1, 20000) g`,
    );
    const signal = new AbortController().signal;
    await using session = await CopySession.open(busy, { settings: {}, statementTimeoutMs: 20_000, signal });
    const primaryKey = { schema: 'public', name: 'items_pkey' };
    await session.watch([primaryKey]);
    const byKey = await parseStatement('select name from items where id = $1');
    const byKind = await parseStatement('select count(*) from items where kind = $1');
    const write = await parseStatement('update items set name = name where kind = $1');
    const runs = [];
    for (const [statement, value] of [
      [byKey, '5'],
      [byKind, '3'],
      [byKey, '6'],
      [write, '3'],
      [write, '3'],
    ] as const) {
      const ran = await session.run(statement, [value]);
      runs.push(ran.kind === 'ran' ? { used: ran.run.used.size, buffers: ran.run.buffers } : ran);
    }
    expect(runs.map(run => 'used' in run && run.used)).toEqual([1, 0, 1, 0, 0]);
    // Each write touches about the same, and not what the one before it touched as well.
    const [first, second] = runs.slice(3).map(run => ('buffers' in run ? run.buffers : 0));
    expect(first).toBeGreaterThan(200);
    expect(second).toBeLessThan(1.5 * first!);
  });

  test('on a partitioned table is built and measured on all partitions', async () => {
    const log = await databaseWith(
      server,
      'log',
      `create table log (at date not null, actor int not null, what text, primary key (at, actor)) partition by range (at);
       create table log_1 partition of log for values from ('2025-01-01') to ('2025-02-01');
       create table log_2 partition of log for values from ('2025-02-01') to ('2025-03-01');
       insert into log select date '2025-01-01' + g % 50, g, md5(g::text) from generate_series(1, 60000) g`,
    );
    const proof = await proveIndexes(
      options(log, {
        proposed: [proposed('log', ['actor'])],
        statements: [await provable('select * from log where actor = $1', [['777']])],
      }),
    );
    expect(proof.indexes[0]).toMatchObject({ verdict: 'offered' });
    expect(proof.indexes[0]!.build!.bytes).toBeGreaterThan(500_000);
    expect(proof.indexes[0]!.write!.why).toBeUndefined();
    expect(proof.indexes[0]!.write!.insert).toBeDefined();
  });
});

describe('a statement', () => {
  test('that does not end within the time limit is unproved, and so is its index', async () => {
    const proof = await proveIndexes(
      options(target, {
        proposed: [proposed('orders', ['customer_id'])],
        statements: [await provable('select pg_sleep(5), id from orders where customer_id = $1', [['17']])],
        statementTimeoutMs: 300,
      }),
    );
    expect(proof.statements[0]).toMatchObject({ outcome: 'unproved', why: expect.stringContaining('0.3 s') });
    expect(proof.indexes[0]!.verdict).not.toBe('offered');
    expect(proof.notes).toEqual([expect.stringContaining('1 of 1')]);
  });

  test('that does not end today and does with an index is a gain of at least the limit', async () => {
    const proof = await proveIndexes(
      options(target, {
        proposed: [proposed('orders', ['customer_id'])],
        statements: [
          await provable(
            `select count(*) from generate_series(1, $1) g where exists (select from orders o where o.customer_id = 10000 + g)`,
            [['20000']],
          ),
        ],
        settings: {
          max_parallel_workers_per_gather: '0',
          jit: 'off',
          enable_hashjoin: 'off',
          enable_mergejoin: 'off',
          enable_material: 'off',
          enable_memoize: 'off',
        },
        statementTimeoutMs: 1_500,
      }),
    );
    expect(proof.statements[0]).toMatchObject({ outcome: 'faster', before: { limitMs: 1_500 } });
    expect(proof.indexes[0]).toMatchObject({ verdict: 'offered' });
  });

  test('that cannot be run says why, without the values', async () => {
    const statements = [
      await provable('select * from dropped_table where a = $1', [['x']]),
      await provable('select * from orders where customer_id = $1', [['hunter2']]),
      await provable('select * from orders where customer_id = $1', []),
      await provable('vacuum orders'),
    ];
    const proof = await proveIndexes(options(target, { proposed: [proposed('orders', ['customer_id'])], statements }));
    expect(proof.statements.map(({ outcome, why }) => [outcome, why])).toEqual([
      ['unproved', 'the server does not take it'],
      ['unproved', expect.stringMatching(/SQLSTATE 22P02/)],
      ['unproved', 'values for its parameters are not known'],
      ['unproved', 'it is a utility statement'],
    ]);
    expect(JSON.stringify(proof.statements.map(({ why }) => why))).not.toContain('hunter2');
  });

  test('that changes rows changes nothing that stays, and is faster by its index', async () => {
    const before = await query(target, 'select sum(total) as total, count(*) as n from orders');
    const proof = await proveIndexes(
      options(target, {
        proposed: [proposed('orders', ['customer_id'])],
        statements: [
          await provable('update orders set total = total + 1 where customer_id = $1', [['17']]),
          await provable('delete from orders where customer_id = $1 and total > $2', [['17', '100']]),
        ],
      }),
    );
    expect(proof.statements.map(each => each.outcome)).toEqual(['faster', 'faster']);
    expect(await query(target, 'select sum(total) as total, count(*) as n from orders')).toEqual(before);
  });
});

describe('an index of today', () => {
  test('may go when nothing reads it or nothing is slower without it, and stays when something is', async () => {
    const crowded = await databaseWith(
      server,
      'crowded',
      `${ordersSql} create index needed on orders (customer_id); create index twin on orders (customer_id);
       create index unread on orders (note);`,
    );
    const removals = ['unread', 'twin', 'needed'].map(name => ({ schema: 'public', name }));
    const proof = await proveIndexes(
      options(crowded, {
        removals,
        statements: [await provable('select * from orders where customer_id = $1', [['17'], ['18']])],
      }),
    );
    expect(removalOf(proof, 'unread')).toMatchObject({
      verdict: 'offered',
      why: 'no statement of the workload reads it',
    });
    expect(removalOf(proof, 'twin').verdict).toBe('offered');
    // With its twin gone already, it is the last one.
    expect(removalOf(proof, 'needed')).toMatchObject({
      verdict: 'not offered',
      why: expect.stringContaining('slower'),
    });
    expect(await indexesOf(crowded)).toContain('unread');
  });

  test('two become one that serves both', async () => {
    const merging = await databaseWith(
      server,
      'merging',
      `${ordersSql} create index by_customer on orders (customer_id);
       create index by_customer_status on orders (customer_id, status);`,
    );
    const merged = {
      ...proposed('orders', ['customer_id', 'status', 'placed_at']),
      replaces: [
        { schema: 'public', name: 'by_customer' },
        { schema: 'public', name: 'by_customer_status' },
      ],
    };
    const proof = await proveIndexes(
      options(merging, {
        proposed: [merged],
        statements: [
          await provable('select * from orders where customer_id = $1', [['17']]),
          await provable('select * from orders where customer_id = $1 and status = $2', [['17', 'paid']]),
        ],
      }),
    );
    expect(proof.indexes[0]).toMatchObject({ verdict: 'offered', why: expect.stringContaining('replaces') });
    expect(await indexesOf(merging)).toContain('by_customer_status');
  });
});
