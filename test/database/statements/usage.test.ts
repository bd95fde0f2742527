import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  parseStatement,
  type RelationUse,
  resolveUsage,
  type StatementUsage,
} from '../../../actions/lib/database/statements/index.ts';
import { openStage, type Stage } from './stage.ts';

let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
});
afterAll(async () => {
  await stage?.[Symbol.asyncDispose]();
});

async function usageOf(sql: string, known?: (string | null)[]): Promise<StatementUsage> {
  return resolveUsage(await parseStatement(sql), stage.catalog, known);
}

/** `orders: user_id = , status in` … one line for each table, short enough to be read in a table of cases. */
function told(usage: StatementUsage): string[] {
  return usage.relations.map(relation => `${relation.table.name}: ${tellRelation(relation)}`);
}

function tellRelation(relation: RelationUse): string {
  const subject = (each: { kind: string; column?: string; sql?: string }) => each.column ?? `(${each.sql})`;
  const parts = [
    ...relation.predicates.map(
      each => `${subject(each.subject)} ${each.test}${each.test === 'range' ? each.operator : ''}`,
    ),
    ...relation.branches.map(branch => `or[${branch.map(each => `${subject(each.subject)} ${each.test}`).join('+')}]`),
    ...relation.joins.map(
      join => `join ${subject(join.subject)}${join.operator}${join.other?.table.name ?? ''}.${join.otherColumn ?? ''}`,
    ),
    ...relation.groups.map(group => `group ${group.map(subject).join('+')}`),
    ...relation.orders.map(
      order =>
        `order ${order.keys.map(key => subject(key.subject) + (key.isDescending ? '↓' : '') + (key.isNullsFirst === key.isDescending ? '' : '!')).join('+')}` +
        `${order.isComplete ? '' : '…'}${order.limit ? ' limit' : ''}`,
    ),
  ];
  return parts.join(', ');
}

describe('what a statement asks of its tables', () => {
  it.each<[string, string, string[]]>([
    [
      'equality and range',
      'SELECT * FROM orders WHERE user_id = $1 AND placed_at >= $2 AND $3 > total',
      ['orders: user_id equal, placed_at range>=, total range<'],
    ],
    [
      'between and in',
      'SELECT 1 FROM orders o WHERE o.total BETWEEN $1 AND $2 AND o.status IN ($3, $4)',
      ['orders: total range>=, total range<=, status in'],
    ],
    ['any', 'SELECT 1 FROM orders WHERE id = ANY ($1)', ['orders: id in']],
    [
      'patterns',
      `SELECT 1 FROM orders WHERE note LIKE $1 AND status ILIKE '%x%'`,
      ['orders: note pattern, status pattern-any-case'],
    ],
    ['an expression', 'SELECT 1 FROM users WHERE lower(email) = lower($1)', ['users: (lower(email)) equal']],
    ['a cast that changes nothing', 'SELECT 1 FROM users WHERE email::text = $1', ['users: email equal']],
    [
      'json',
      `SELECT 1 FROM orders WHERE payload @> $1 AND payload->>'k' = $2`,
      [`orders: payload contains, (payload ->> 'k') equal`],
    ],
    ['arrays', `SELECT 1 FROM orders WHERE tags @> ARRAY[$1] AND tags && $2`, ['orders: tags contains, tags overlaps']],
    [
      'full text',
      `SELECT 1 FROM content.pages WHERE to_tsvector('english', body) @@ plainto_tsquery('english', $1)`,
      [`pages: (to_tsvector('english', body)) full-text`],
    ],
    [
      'full text the other way round',
      `SELECT 1 FROM content.pages p WHERE to_tsquery($1) @@ p.search`,
      ['pages: search full-text'],
    ],
    [
      'null and truth',
      'SELECT 1 FROM users WHERE is_admin AND NOT is_admin AND deleted_at IS NULL AND name IS NOT NULL',
      ['users: is_admin is-true, is_admin is-false, deleted_at is-null, name is-not-null'],
    ],
    [
      'or',
      `SELECT 1 FROM orders WHERE day = $1 AND (user_id = $2 OR status = 'open')`,
      ['orders: day equal, or[user_id equal], or[status equal]'],
    ],
    [
      'a join',
      'SELECT u.email FROM orders o JOIN users u ON u.id = o.user_id WHERE o.id = $1',
      ['orders: id equal, join user_id=users.id', 'users: join id=orders.user_id'],
    ],
    [
      'using',
      'SELECT 1 FROM orders JOIN content.pages USING (id)',
      ['orders: join id=pages.id', 'pages: join id=orders.id'],
    ],
    [
      'the old form of a join',
      'SELECT 1 FROM orders o, users u WHERE o.user_id = u.id',
      ['orders: join user_id=users.id', 'users: join id=orders.user_id'],
    ],
    [
      'exists',
      'SELECT 1 FROM users u WHERE EXISTS (SELECT 1 FROM orders o WHERE o.user_id = u.id AND o.status = $1)',
      ['users: join id=orders.user_id', 'orders: status equal, join user_id=users.id'],
    ],
    [
      'in a subquery',
      'SELECT 1 FROM users WHERE id IN (SELECT user_id FROM orders WHERE day = $1)',
      ['users: join id=orders.user_id', 'orders: day equal, join user_id=users.id'],
    ],
    [
      'not exists',
      'SELECT 1 FROM users u WHERE NOT EXISTS (SELECT 1 FROM orders o WHERE o.user_id = u.id)',
      ['users: join id=orders.user_id', 'orders: join user_id=users.id'],
    ],
    ['through a subquery', 'SELECT * FROM (SELECT id AS n, status FROM orders) s WHERE s.n = $1', ['orders: id equal']],
    [
      'through a CTE',
      'WITH c (who) AS (SELECT user_id FROM orders) SELECT 1 FROM c WHERE who = $1',
      ['orders: user_id equal'],
    ],
    [
      'not below a limit',
      'SELECT * FROM (SELECT id AS n FROM orders ORDER BY day LIMIT 5) s WHERE s.n = $1',
      ['orders: order day limit'],
    ],
    [
      'through a view',
      'SELECT * FROM open_orders WHERE customer = $1',
      ['orders: status equal, user_id equal, join user_id=users.id', 'users: join id=orders.user_id'],
    ],
    [
      'through both arms of a union',
      'SELECT * FROM (SELECT id FROM users UNION ALL SELECT id FROM orders) s WHERE id = $1',
      ['users: id equal', 'orders: id equal'],
    ],
    [
      'order and limit',
      'SELECT * FROM orders WHERE user_id = $1 ORDER BY placed_at DESC, id LIMIT 10',
      ['orders: user_id equal, order placed_at↓+id limit'],
    ],
    ['nulls last', 'SELECT id FROM orders ORDER BY day DESC NULLS LAST', ['orders: order day↓!']],
    [
      'order by position and by alias',
      'SELECT user_id, lower(status) AS s FROM orders ORDER BY 1, s',
      ['orders: order user_id+(lower(status))'],
    ],
    [
      'an order over two tables',
      'SELECT 1 FROM orders o JOIN users u ON u.id = o.user_id ORDER BY o.day, u.name LIMIT 3',
      ['orders: join user_id=users.id, order day… limit', 'users: join id=orders.user_id'],
    ],
    ['group', 'SELECT status, count(*) FROM orders GROUP BY status, day', ['orders: group status+day']],
    ['distinct', 'SELECT DISTINCT user_id FROM orders', ['orders: group user_id']],
    ['max', 'SELECT max(placed_at) FROM orders', ['orders: order placed_at↓ limit']],
    [
      'a window',
      'SELECT row_number() OVER (PARTITION BY user_id ORDER BY day DESC) FROM orders',
      ['orders: order user_id+day↓'],
    ],
    [
      'keyset pages',
      'SELECT 1 FROM orders WHERE (placed_at, id) < ($1, $2) ORDER BY placed_at DESC, id DESC LIMIT 20',
      ['orders: placed_at range<, id keyset, order placed_at↓+id↓ limit'],
    ],
    ['update', 'UPDATE orders SET status = $1 WHERE user_id = $2', ['orders: user_id equal']],
    [
      'update from',
      'UPDATE orders o SET status = $1 FROM users u WHERE u.id = o.user_id AND u.email = $2',
      ['orders: join user_id=users.id', 'users: email equal, join id=orders.user_id'],
    ],
    ['delete', 'DELETE FROM orders WHERE placed_at < now() - interval $1', ['orders: placed_at range<']],
    [
      'merge',
      'MERGE INTO users u USING orders o ON u.id = o.user_id WHEN MATCHED THEN UPDATE SET name = $1',
      ['users: join id=orders.user_id', 'orders: join user_id=users.id'],
    ],
    ['hostile names', 'SELECT "select" FROM "Große ""Liste""" WHERE "select" = $1', ['Große "Liste": select equal']],
    [
      'lateral',
      'SELECT 1 FROM users u, LATERAL (SELECT * FROM orders o WHERE o.user_id = u.id ORDER BY day DESC LIMIT 1) l',
      ['users: join id=orders.user_id', 'orders: join user_id=users.id, order day↓ limit'],
    ],
    [
      'a recursive CTE',
      'WITH RECURSIVE r AS (SELECT id, user_id FROM orders WHERE id = $1 UNION ALL SELECT o.id, o.user_id FROM orders o JOIN r ON r.id = o.user_id) SELECT * FROM r',
      ['orders: id equal', 'orders: user_id equal'],
    ],
  ])('%s', async (_what, sql, expected) => {
    expect(told(await usageOf(sql))).toEqual(expected);
  });

  it('an expression over a parameter is known only with its value', async () => {
    const sql = 'SELECT 1 FROM orders WHERE payload->>$1 = $2';
    expect(told(await usageOf(sql))).toEqual(['orders: ']);
    expect(told(await usageOf(sql, ['k', 'v']))).toEqual([`orders: (payload ->> 'k') equal`]);
  });

  it('a condition is one for a partial index only with constants in the text', async () => {
    const constant = await usageOf(`SELECT 1 FROM orders WHERE status = 'open'`);
    expect(constant.relations[0]!.predicates[0]!.sql).toBe(`status = 'open'`);
    const parameter = await usageOf('SELECT 1 FROM orders WHERE status = $1', ['open']);
    expect(parameter.relations[0]!.predicates[0]!.sql).toBeUndefined();
    const moving = await usageOf('SELECT 1 FROM orders WHERE placed_at > now()');
    expect(moving.relations[0]!.predicates[0]!.sql).toBeUndefined();
  });

  it('every column that is read is noted, and all of them for a star', async () => {
    const some = await usageOf('SELECT o.total FROM orders o WHERE o.status = $1 ORDER BY o.day');
    expect([...some.relations[0]!.columns].sort()).toEqual(['day', 'status', 'total']);
    expect((await usageOf('SELECT * FROM users')).relations[0]!.columns.size).toBe(5);
    expect((await usageOf('SELECT count(*) FROM users')).relations[0]!.columns.size).toBe(0);
  });

  it('what is written is noted with its columns', async () => {
    const update = await usageOf('UPDATE orders SET status = $1, total = total + 1 WHERE id = $2');
    expect(update.written.map(each => [each.operation, [...each.columns]])).toEqual([['update', ['status', 'total']]]);
    const insert = await usageOf(
      'INSERT INTO users (id, email) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET email = $2',
    );
    expect(insert.written.map(each => each.operation)).toEqual(['insert', 'update']);
    expect(insert.parameters.map(each => [each.role, each.column])).toEqual([
      ['assigned', 'id'],
      ['assigned', 'email'],
    ]);
  });

  it('an array that is searched by = ANY is told how to be asked instead', async () => {
    expect((await usageOf('SELECT 1 FROM orders WHERE $1 = ANY (tags)')).remarks[0]).toContain('tags @> ARRAY[value]');
  });

  it('a table that is gone is named', async () => {
    expect((await usageOf('SELECT 1 FROM gone g JOIN old.gone USING (id)')).unknownTables).toEqual([
      'gone',
      'old.gone',
    ]);
  });
});
