import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Catalog, readCatalog } from '../../../actions/lib/database/catalog/index.ts';
import {
  type IndexUsage,
  planRemovals,
  readForeignKeys,
  readIndexUsage,
  usageKey,
} from '../../../actions/lib/database/removal/index.ts';
import { openSession } from '../../../actions/lib/database/session/index.ts';
import {
  connect,
  type PostgresTarget,
  startThrowawayServer,
  type ThrowawayServer,
} from '../../../actions/lib/postgres/index.ts';
import { databaseWith, query } from '../prove/fixture.ts';

let server: ThrowawayServer;
beforeAll(async () => {
  server = await startThrowawayServer({ purpose: 'the removal tests', tcp: true, settings: { autovacuum: false } });
});
afterAll(() => server?.stop());

const options = { unusedWindowSeconds: 14 * 86_400, unusedIndexBytes: 0, ignoreSchemas: [] };
const longEnough = (scans: Record<string, number> = {}): IndexUsage => ({
  scans: new Map(Object.entries(scans).map(([name, count]) => [usageKey('public', name), count])),
  windowSeconds: 30 * 86_400,
  replicas: 'all asked',
  notes: [],
});

async function catalogOf(target: PostgresTarget): Promise<Catalog> {
  const client = await connect(target);
  try {
    return await readCatalog(client);
  } finally {
    await client.end();
  }
}

async function planned(target: PostgresTarget, usage: IndexUsage, given = options) {
  await using session = await openSession(target);
  const plan = planRemovals((await catalogOf(target)).tables, await readForeignKeys(session), usage, given);
  return {
    removals: plan.removals.map(each => `${each.kind} ${each.index.name}`).sort(),
    merges: plan.merges.map(each => each.replaces.map(index => index.name).join('+')),
    plan,
  };
}

describe('what is unused over the window', () => {
  let target: PostgresTarget;
  beforeAll(async () => {
    target = await databaseWith(
      server,
      'unused',
      `create table parents (id int primary key, code text unique, slug text);
       create unique index parents_slug on parents (slug);
       create table children (id int primary key, parent_id int references parents, a int, b int not null, c int, during int4range);
       create index children_parent on children (parent_id);
       create index children_a on children (a);
       create unique index children_b on children (b); alter table children replica identity using index children_b;
       alter table children add constraint apart exclude using gist (during with &&);
       create index children_c on children (c) where c > 0;
       create index children_hash on children using hash (a);`,
    );
  });

  test('may go, unless a constraint, a replica identity, uniqueness or a foreign key needs it', async () => {
    expect((await planned(target, longEnough())).removals).toEqual([
      'unused children_a',
      'unused children_c',
      'unused children_hash',
    ]);
  });

  test('does not go when it was read anywhere, when the statistics are young, or a replica did not answer', async () => {
    expect((await planned(target, longEnough({ children_a: 1 }))).removals).not.toContain('unused children_a');
    expect((await planned(target, { ...longEnough(), windowSeconds: 86_400 })).removals).toEqual([]);
    expect((await planned(target, { ...longEnough(), replicas: 'not all asked' })).removals).toEqual([]);
    expect((await planned(target, longEnough(), { ...options, unusedIndexBytes: 10 ** 9 })).removals).toEqual([]);
  });

  test('the reason names the window, and whether replicas were looked at', async () => {
    const why = async (usage: IndexUsage) => (await planned(target, usage)).plan.removals[0]!.why;
    expect(await why(longEnough())).toBe('not read once in 30 days on no server');
    expect(await why({ ...longEnough(), replicas: 'none given' })).toMatch(/replicas were not looked at/);
  });

  test('an index that supports a foreign key may go when another supports it as well', async () => {
    await query(target, 'create index children_parent_a on children (parent_id, a)');
    expect((await planned(target, longEnough({ children_parent_a: 1 }))).removals).toContain('prefix children_parent');
    // Neither is read: one of them stays for the key.
    const { removals } = await planned(target, longEnough());
    expect(removals.filter(each => each.includes('children_parent'))).toEqual(['unused children_parent_a']);
    await query(target, 'drop index children_parent_a');
  });
});

test('duplicates and prefixes: one of two stays, and the one that is held or read', async () => {
  const target = await databaseWith(
    server,
    'twins',
    `create table t (id int primary key, a int, b int, c text, d int);
     create index id_again on t (id); create unique index id_unique on t (id);
     create index a_1 on t (a); create index a_2 on t (a); create index a_desc on t (a desc);
     create index ab on t (a, b); create index ab_c on t (a, b) include (c); create index b_part on t (b) where d > 0;
     create index b_part_d on t (b, d) where d > 0; create index bd on t (b, d);
     create index c_pattern on t (c text_pattern_ops); create index cd on t (c, d);`,
  );
  const { removals, plan } = await planned(
    target,
    longEnough({ a_2: 5, a_desc: 1, ab: 9, ab_c: 9, b_part: 1, b_part_d: 1, bd: 1, c_pattern: 1, cd: 1 }),
  );
  expect(removals).toEqual([
    'duplicate a_1',
    'duplicate ab',
    'duplicate id_again',
    'duplicate id_unique',
    'prefix a_2',
    'prefix b_part',
  ]);
  expect(plan.removals.find(each => each.index.name === 'id_unique')!.coveredBy!.name).toBe('t_pkey');
});

test('what is declared stays, whoever reads it, and may be what another is covered by', async () => {
  const target = await databaseWith(
    server,
    'declared',
    `create table things (id int primary key, a int, b int);
     insert into things select n, n, n from generate_series(1, 1000) n;
     create index things_a on things (a); create index things_a_b on things (a, b); create index things_b on things (b);`,
  );
  const catalog = await catalogOf(target);
  const named = (name: string) => catalog.find('public', 'things')!.indexes.find(index => index.name === name)!;
  await using session = await openSession(target);
  const keys = await readForeignKeys(session);
  const plan = (...declared: string[]) =>
    planRemovals(catalog.tables, keys, longEnough(), { ...options, declared: new Set(declared.map(named)) })
      .removals.map(each => each.index.name)
      .sort();
  expect(plan()).toEqual(['things_a', 'things_a_b', 'things_b']);
  expect(plan('things_a_b')).toEqual(['things_a', 'things_b']);
  expect(plan('things_a', 'things_a_b', 'things_b')).toEqual([]);
});

test('an index on column 12 does not make one on column 1 redundant', async () => {
  const columns = Array.from({ length: 12 }, (_, n) => `c${n + 1} int`).join(', ');
  const target = await databaseWith(
    server,
    'twelve',
    `create table wide (${columns}); create index on wide (c1); create index on wide (c12, c2)`,
  );
  expect((await planned(target, longEnough({ wide_c1_idx: 1, wide_c12_c2_idx: 1 }))).removals).toEqual([]);
});

test('two that begin alike might be one', async () => {
  const target = await databaseWith(
    server,
    'alike',
    `create table t (a int, b int, c int, d int); create index x on t (a, b); create index y on t (a, c);
     create index z on t (d); create unique index u on t (a, d)`,
  );
  const { merges, plan } = await planned(target, longEnough({ x: 1, y: 1, z: 1, u: 1 }));
  expect(merges).toEqual(['x+y']);
  expect(plan.merges[0]!.definition.keys.map(key => key.kind === 'column' && key.column)).toEqual(['a', 'b', 'c']);
});

test('scans are summed over primary and replicas; one that does not answer is named without its password', async () => {
  const target = await databaseWith(
    server,
    'counted',
    `create table t (a int primary key, b int); insert into t select g, g from generate_series(1, 2000) g; create index t_b on t (b)`,
  );
  await query(target, `set enable_seqscan = off; select * from t where b = 7`);
  await using session = await openSession(target);
  const signal = new AbortController().signal;
  const ask = (databaseReplicaUrls: string[]) =>
    readIndexUsage(session, { signal, secrets: { databaseReplicaUrls } as never });
  let alone = await ask([]);
  // The counters of a session that has ended are there a moment later.
  while (alone.scans.get(usageKey('public', 't_b')) !== 1) alone = await ask([]);
  expect(alone).toMatchObject({ replicas: 'none given', notes: [] });
  expect(alone.windowSeconds).toBeGreaterThan(0);
  const both = await ask([target.url]);
  expect(both).toMatchObject({ replicas: 'all asked' });
  expect(both.scans.get(usageKey('public', 't_b'))).toBe(2);
  const lame = await ask(['postgres://u:hunter2pass@127.0.0.1:1/x']);
  expect(lame.replicas).toBe('not all asked');
  expect(lame.notes).toEqual([expect.stringMatching(/^A replica was not asked/)]);
  expect(lame.notes[0]).not.toContain('hunter2pass');
});
