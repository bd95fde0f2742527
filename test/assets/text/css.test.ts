import { describe, expect, test } from 'vitest';
import { SourceMapConsumer } from './source-maps.ts';
import { madeOf, optimize } from './text.ts';

test('declarations written twice for older browsers stay both', async () => {
  const made = await madeOf(
    'css',
    '.a {\n  color: red;\n  color: oklch(60% 0.1 20);\n  height: 100vh;\n  height: 100dvh;\n}\n',
  );
  expect(made).toBe('.a{color:red;color:oklch(60% .1 20);height:100vh;height:100dvh}');
});

test.each([
  ['@media (min-width: 100px) { a { color: red } }', '@media (min-width:100px){a{color:red}}'],
  ['.a { margin-inline-start: 1px; user-select: none }', '.a{user-select:none;margin-inline-start:1px}'],
  ['.a { color: light-dark(red, blue) }', '.a{color:light-dark(red,#00f)}'],
  ['.a { &:hover { color: red } }', '.a{&:hover{color:red}}'],
  ['.a:is(.b, .c) { color: oklch(60% 0.1 20) }', '.a:is(.b,.c){color:oklch(60% .1 20)}'],
  ['@unknown-rule x { y: z }', '@unknown-rule x{y: z}'],
  [':root { --a:  b  c ; }', ':root{--a:b c}'],
])('%j is neither upgraded nor lowered', async (before, after) => {
  expect(await madeOf('css', before)).toBe(after);
});

test('licences stay, on top; comments in strings are none', async () => {
  const made = await madeOf(
    'css',
    '/* gone */\n/*! kept */\n.a { content: "/*! no */"; color: red }\n/* @license MIT */\n',
  );
  expect(made).toBe('/*! kept */\n/* @license MIT */\n.a{content:"/*! no */";color:red}');
});

test('a charset stays where something hangs on it', async () => {
  expect(await madeOf('css', '@charset "utf-8";\n.a::before { content: "→" }\n')).toBe(
    '@charset "utf-8";\n.a:before{content:"→"}',
  );
  expect(await madeOf('css', '@charset "utf-8";\n.a { color: red }\n')).toBe('.a{color:red}');
});

describe('what is left as it is', () => {
  test.each([
    ['}\na { color: red }', /^line 1, /],
    ['a {\n  *zoom: 1;\n}}', /^line \d, column \d+: /],
    ['@media screen { a { color: red }\n} }', /^line 2, /],
  ])('%j', async (code, reason) => {
    expect(await optimize('css', code)).toMatchObject({
      status: 'left',
      code: 'invalid',
      reason: expect.stringMatching(reason),
    });
  });
});

test('its source map leads to the very lines, behind a licence of several lines', async () => {
  const scss = '.card {\n  .title { color: red; }\n}\n';
  const css = '/*! by\n us */\n.card .title {\n  color: red;\n}\n/*# sourceMappingURL=card.css.map */\n';
  const map = JSON.stringify({
    version: 3,
    sources: ['card.scss'],
    sourcesContent: [scss],
    names: [],
    mappings: ';;AACE;EAAS',
  });
  const outcome = await optimize('css', css, { path: 'css/card.css', map });
  if (outcome.status !== 'smaller' || !outcome.map) throw new Error('no map was made');
  const code = Buffer.from(outcome.bytes).toString();
  expect(code).toBe('/*! by\n us */\n.card .title{color:red}\n/*# sourceMappingURL=card.css.map */');
  const made = JSON.parse(Buffer.from(outcome.map).toString());
  expect(made.sources).toEqual(['card.scss']);
  expect(new SourceMapConsumer(made).originalOf(2, 0)).toMatchObject({ source: 'card.scss', line: 1 });
});
