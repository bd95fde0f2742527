import fc from 'fast-check';
import { expect, test } from 'vitest';
import { madeOf, optimize } from './text.ts';

test('only space goes: digits, keys that come twice and escapes stay as they are', async () => {
  const text =
    '{\n  "big" : 12345678901234567890.10 ,\t"a": 1e+2, "a" : [ ],\r\n "u":"\\u00e9 \\/  \\" ", "o": { } }\n';
  expect(await madeOf('json', text)).toBe(
    '{"big":12345678901234567890.10,"a":1e+2,"a":[],"u":"\\u00e9 \\/  \\" ","o":{}}',
  );
});

test('whatever JSON there is means the same afterwards, and is as short as JSON.stringify makes it', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.jsonValue({ noUnicodeString: false }),
      fc.constantFrom('  ', '\t', ''),
      async (value, indent) => {
        const text = `${JSON.stringify(value, null, indent)}\n`;
        expect(await madeOf('json', text)).toBe(JSON.stringify(value));
      },
    ),
  );
});

test.each([
  ['', 'line 1, column 1: it ends too early'],
  ['{"a":1,}', 'line 1, column 8: a key in double quotes is expected'],
  ['[1,]', 'line 1, column 4: this is not a value of JSON'],
  ['[01]', "line 1, column 3: ',' or ']' is expected"],
  ['{\n"a" 1}', "line 2, column 5: ':' is expected"],
  ['"a\nb"', 'line 1, column 1: this is not a value of JSON'],
  ['// c\n{}', 'line 1, column 1: this is not a value of JSON'],
  ['{"a":1}}', 'line 1, column 8: something follows the value'],
  ['{"a":1', 'line 1, column 7: it ends too early'],
  ["{'a':1}", 'line 1, column 2: a key in double quotes is expected'],
  ['[1}', "line 1, column 3: ',' or ']' is expected"],
  ['nul', 'line 1, column 1: this is not a value of JSON'],
  ['[1.]', "line 1, column 3: ',' or ']' is expected"],
])('%j is left as it is: %s', async (text, reason) => {
  expect(() => JSON.parse(text)).toThrow();
  expect(await optimize('json', text)).toEqual({ status: 'left', code: 'invalid', reason });
});

test('text that JSON.parse refuses is refused, and text that it takes is taken', async () => {
  const pieces = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '"a"',
    '1',
    '-0.5e3',
    '00',
    'true',
    'null',
    ' ',
    '\n',
    '"\\x"',
    '.',
  );
  await fc.assert(
    fc.asyncProperty(fc.array(pieces, { maxLength: 12 }), async list => {
      const text = list.join('');
      const isJson = (() => {
        try {
          JSON.parse(text);
          return true;
        } catch {
          return false;
        }
      })();
      expect((await optimize('json', text)).status !== 'left').toBe(isJson);
    }),
    { numRuns: 3000 },
  );
});

test('a file nested a hundred thousand deep is a file like any other', async () => {
  const deep = `${'[ '.repeat(100_000)}${']'.repeat(100_000)}`;
  expect(await madeOf('json', deep)).toBe(`${'['.repeat(100_000)}${']'.repeat(100_000)}`);
});
