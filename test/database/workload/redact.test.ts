import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hasLiteral, redactStatement } from '../../../actions/lib/database/workload/redact.ts';

describe('no literal of a user is in a redacted statement', () => {
  test.each([
    ['a string', `SELECT * FROM users WHERE email = 'hunter2@x.org'`, 'SELECT * FROM users WHERE email = $1'],
    [
      'a number',
      'SELECT * FROM t WHERE a = 4711 AND b > -1.5e10 LIMIT 20',
      'SELECT * FROM t WHERE a = $1 AND b > -$2 LIMIT $3',
    ],
    ['numbers in other bases', 'SELECT 0xDEAD_BEEF, 0b101, 1_000', 'SELECT $1, $2, $3'],
    ['beside parameters', `SELECT $2, 'hunter2', $1`, 'SELECT $2, $3, $1'],
    ['quotes in a string', `SELECT 'it''s hunter2', 1`, 'SELECT $1, $2'],
    ['an escape string', String.raw`SELECT E'it\'s hunter2', 1`, 'SELECT $1, $2'],
    ['a backslash that ends or does not end a string', String.raw`SELECT 'x\' , hunter2 --'`, 'SELECT …'],
    ['a backslash inside a string', String.raw`SELECT '\d+hunter2', 1`, 'SELECT $1, $2'],
    ['other kinds of strings', `SELECT U&'hunter2', B'101', X'AF', N'hunter2'`, 'SELECT $1, $2, $3, $4'],
    ['dollar quotes', 'SELECT $$hunter2$$, $a$ $$ hunter2 $a$, 2', 'SELECT $1, $2, $3'],
    ['a body', `DO $do$ BEGIN PERFORM 'hunter2'; END $do$`, 'DO $1'],
    ['a comment', `SELECT a -- hunter2\n FROM t /* hunter2 /* nested */ hunter2 */ WHERE b`, 'SELECT a FROM t WHERE b'],
    ['a string that was cut off', `SELECT * FROM t WHERE a = 'hunter2`, 'SELECT * FROM t WHERE a = …'],
    ['a dollar quote that was cut off', 'SELECT $x$hunter2', 'SELECT $1'],
    ['a comment that was cut off', 'SELECT 1 /* hunter2', 'SELECT $1'],
    ['a quoted name that was cut off', 'SELECT "hunter2', 'SELECT …'],
    ['a quoted name', `SELECT "it's ""a"" name" FROM t`, `SELECT "it's ""a"" name" FROM t`],
    ['a password', `ALTER ROLE app PASSWORD 'hunter2' VALID UNTIL '2030-01-01'`, 'ALTER ROLE app PASSWORD …'],
    [
      'an encrypted password',
      `CREATE USER app WITH ENCRYPTED PASSWORD 'hunter2'`,
      'CREATE USER app WITH ENCRYPTED PASSWORD …',
    ],
    ['a password column is no password', 'SELECT password, a FROM users', 'SELECT password, a FROM users'],
    [
      'a user mapping',
      `CREATE USER MAPPING FOR a SERVER s OPTIONS (user 'u', password 'hunter2')`,
      'CREATE USER MAPPING FOR a SERVER s OPTIONS (user $1, password …',
    ],
    ['a setting without quotes', 'SET app.token = hunter2', 'SET app.token = …'],
    ['a setting of a role', 'ALTER ROLE app SET app.token TO hunter2', 'ALTER ROLE app SET app.token TO …'],
    ['COPY from a program', `COPY t FROM PROGRAM 'curl -u a:hunter2 https://x'`, 'COPY t FROM PROGRAM $1'],
    ['no SQL at all', `'; hunter2 \u0000 '`, '$1'],
    [
      'an update keeps its columns',
      'UPDATE t SET a = b, c = $1 WHERE d = $2',
      'UPDATE t SET a = b, c = $1 WHERE d = $2',
    ],
    [
      'letters of every script',
      `SELECT größe, 名前 FROM t WHERE ñ = 'hunter2'`,
      'SELECT größe, 名前 FROM t WHERE ñ = $1',
    ],
  ])('%s', (_what, text, redacted) => {
    expect(redactStatement(text)).toBe(redacted);
    expect(redactStatement(text)).not.toContain('hunter2');
  });

  test('whatever stands around it', () => {
    const sql = fc.array(
      fc.constantFrom(
        `'`,
        `"`,
        '$$',
        '$a$',
        '--',
        '\n',
        '/*',
        '*/',
        '\\',
        'E',
        'U&',
        ' ',
        'SELECT',
        '1',
        'x',
        ';',
        '(',
      ),
    );
    fc.assert(
      fc.property(sql, sql, (before, after) => {
        // A whole constant in the middle, as the server would read it from a place where a statement may begin.
        const text = `SELECT 'hunter2', "a", ${before.join('')}${after.join('')}`;
        expect(redactStatement(text)).not.toContain('hunter2');
        expect(redactStatement(redactStatement(text))).toBe(redactStatement(text));
      }),
      { numRuns: 2000 },
    );
  });

  test('what it leaves has no literal', () => {
    expect(hasLiteral('SELECT a FROM t WHERE b = $1')).toBe(false);
    expect(hasLiteral(`SELECT a FROM t WHERE b = 'x'`)).toBe(true);
    expect(hasLiteral(redactStatement(`SELECT a FROM t WHERE b = 'x' AND c = 4`))).toBe(false);
  });

  test('a very long one is cut', () => {
    expect(redactStatement(`SELECT ${'a, '.repeat(5000)}b`, 100)).toMatch(/^SELECT a, .{80,} …$/);
  });
});
