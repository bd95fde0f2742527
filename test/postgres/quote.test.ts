import fc from 'fast-check';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  connect,
  quoteIdent,
  quoteLiteral,
  quoteQualified,
  startThrowawayServer,
  type ThrowawayServer,
} from '../../actions/lib/postgres/index.ts';

let server: ThrowawayServer;
let client: pg.Client;
beforeAll(async () => {
  server = await startThrowawayServer({ purpose: 'the quoting tests' });
  client = await connect(server.target);
});
afterAll(async () => {
  await client?.end();
  await server?.stop();
});

/** Any text that PostgreSQL can hold, with the characters that break quoting well represented. */
const text = fc.string({
  unit: fc.oneof(
    fc.constantFrom("'", '"', '\\', '\n', '\t', '$', '%', ';', '--', 'E', '\\x41', '\\u0041', '\u2028', 'ü'),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }).filter(unit => unit !== '\0'),
  ),
  maxLength: 30,
});

describe.each(['on', 'off'])('with standard_conforming_strings %s', setting => {
  beforeAll(async () => {
    await client.query(`set standard_conforming_strings = ${setting}; set escape_string_warning = off`);
  });

  test('the server reads every literal as the text it was made from', async () => {
    await fc.assert(
      fc.asyncProperty(text, async value => {
        const { rows } = await client.query<{ read: string }>(`select ${quoteLiteral(value)} as read`);
        expect(rows[0]?.read).toBe(value);
      }),
    );
  });
});

test('the server reads every identifier as the name it was made from', async () => {
  const name = text.filter(value => value !== '' && Buffer.byteLength(value) <= 63);
  await fc.assert(
    fc.asyncProperty(name, async value => {
      const { fields } = await client.query(`select 1 as ${quoteIdent(value)}`);
      expect(fields[0]?.name).toBe(value);
    }),
  );
});

test('a table with a hostile name in a hostile schema is found', async () => {
  const [schema, table] = ['a"; drop schema public; --', 'Zähl\\er.x'];
  await client.query(`create schema ${quoteIdent(schema)}; create table ${quoteQualified(schema, table)} (a int)`);
  const { rows } = await client.query('select schemaname, tablename from pg_tables where schemaname = $1', [schema]);
  expect(rows).toEqual([{ schemaname: schema, tablename: table }]);
});

test.each([
  ['a NUL in a literal', () => quoteLiteral('a\0b')],
  ['a NUL in a name', () => quoteIdent('a\0b')],
  ['half a surrogate pair', () => quoteLiteral('\ud800')],
  ['an empty name', () => quoteIdent('')],
])('refuses %s', (_what, quote) => {
  expect(quote).toThrow(expect.objectContaining({ code: 'PG_QUOTE' }));
});
