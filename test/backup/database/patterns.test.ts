import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compilePatterns, pgDumpPatterns } from '../../../actions/lib/backup/database/patterns.ts';
import { findClientTools, libpqEnv, type PostgresTarget, quoteQualified } from '../../../actions/lib/postgres/index.ts';
import { openWorld, type World } from '../harness.ts';
import { oddNames } from './zoo.ts';

const run = promisify(execFile);

describe('table patterns of the configuration', () => {
  test.each([
    ['orders', 'public', 'orders', true],
    ['orders', 'app', 'orders', true],
    ['orders', 'app', 'orders2', false],
    ['orders', 'app', 'Orders', false],
    ['app.orders', 'app', 'orders', true],
    ['app.orders', 'public', 'orders', false],
    ['app.*', 'app', '', true],
    ['app.*', 'app', 'line\nbreak', true],
    ['*.audit_*', 'x', 'audit_1', true],
    ['*.audit_*', 'x', 'my_audit_1', false],
    ['audit_202?', 'x', 'audit_2024', true],
    ['audit_202?', 'x', 'audit_202', false],
    ['a?b', 'x', 'a🧵b', true],
    ['a.b', 'a', 'b', true],
    ['a.b', 'x', 'a.b', false],
    ['"a.b"', 'x', 'a.b', true],
    ['"a.b".c', 'a.b', 'c', true],
    ['"a*b"', 'x', 'a*b', true],
    ['"a*b"', 'x', 'aXb', false],
    ['"a""b"', 'x', 'a"b', true],
    ['"Sales 2024"."a*"*', 'Sales 2024', 'a*x', true],
    ['a|b', 'x', 'a|b', true],
    ['a|b', 'x', 'a', false],
    ['(a)+[b]$^', 'x', '(a)+[b]$^', true],
    ['a\\d', 'x', 'a\\d', true],
    ['a\\d', 'x', 'a1', false],
  ])('%s and %s.%s: %s', (pattern, schema, name, expected) => {
    const compiled = compilePatterns([pattern]);
    expect(compiled.matches({ schema, name })).toBe(expected);
    expect(compiled.unmatched()).toEqual(expected ? [] : [pattern]);
  });

  test('none of them is forgotten when an earlier one has matched', () => {
    const compiled = compilePatterns(['a*', 'ab', 'x']);
    expect(compiled.matches({ schema: 's', name: 'ab' })).toBe(true);
    expect(compiled.unmatched()).toEqual(['x']);
  });
});

describe('the same names as patterns for pg_dump', () => {
  let world: World;
  let target: PostgresTarget;
  const schemas = ['public', 'Odd "Schema".*', 'a|b', 'ü$'];
  const tables = schemas.flatMap(schema => oddNames.map(name => ({ schema, name })));
  beforeAll(async () => {
    world = await openWorld();
    target = await world.database('names');
    for (const schema of schemas.slice(1)) await world.query(target, `create schema "${schema.replaceAll('"', '""')}"`);
    await world.query(
      target,
      tables
        .map(
          t =>
            `create table ${quoteQualified(t.schema, t.name)} (x int); insert into ${quoteQualified(t.schema, t.name)} values (1);`,
        )
        .join('\n'),
    );
  });
  afterAll(() => world?.close());

  /** Quoted names of the tables whose rows pg_dump writes. */
  async function dumped(patterns: string[], option: string): Promise<Set<string>> {
    const { pgDump } = await findClientTools(world.server.major);
    const { stdout } = await run(pgDump, ['--data-only', ...patterns.map(pattern => `${option}=${pattern}`)], {
      env: { ...process.env, ...libpqEnv(target) },
      maxBuffer: 32 * 1024 * 1024,
    });
    return new Set(
      [...stdout.matchAll(/^COPY ((?:"(?:[^"]|"")+"|[^\s."]+)\.(?:"(?:[^"]|"")+"|[^\s."]+)) \(x\) FROM stdin;$/gm)].map(
        match => match[1]!,
      ),
    );
  }

  test('each name matches its table and no other', async () => {
    for (const chosen of tables.filter((_, i) => i % 3 === 0)) {
      const [pattern, ...more] = pgDumpPatterns([chosen]);
      expect(more).toEqual([]);
      expect((await dumped([pattern!], '--table')).size, pattern).toBe(1);
    }
  });

  test('all of them together leave nothing over, also in groups of a few', async () => {
    expect((await dumped([], '--table')).size).toBe(tables.length);
    expect(pgDumpPatterns(tables)).toHaveLength(schemas.length);
    expect(await dumped(pgDumpPatterns(tables), '--exclude-table-data')).toEqual(new Set());
    const groups = pgDumpPatterns(tables, 100);
    expect(groups.length).toBeGreaterThan(schemas.length * 3);
    expect(groups.every(group => group.length < 300)).toBe(true);
    expect(await dumped(groups, '--exclude-table')).toEqual(new Set());
    const all = await dumped([], '--table');
    const half = tables.filter((_, i) => i % 2 === 0);
    const left = await dumped(pgDumpPatterns(half), '--exclude-table-data');
    expect(left.size).toBe(tables.length - half.length);
    expect([...left].every(name => all.has(name))).toBe(true);
  });
});
