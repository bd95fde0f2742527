import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { SourceMapConsumer } from './source-maps.ts';
import { madeOf, optimize } from './text.ts';

describe('a script', () => {
  test('keeps the names on its top, which other scripts use', async () => {
    const made = await madeOf(
      'javascript',
      'var unused = 1;\nfunction shared(argument) {\n  return argument + 1;\n}\nlet also = 2;\n',
    );
    expect(runInNewContext(`${made};[unused, shared(1), also].join()`)).toBe('1,2,2');
    expect(made).not.toContain('argument');
  });

  test('keeps its hashbang, its strict mode and its debugger', async () => {
    const made = await madeOf(
      'javascript',
      '#!/usr/bin/env node\n"use strict";\n\nfunction f() {\n  debugger;\n  return this;\n}\nf();\n',
    );
    expect(made).toMatch(/^#!\/usr\/bin\/env node\n"use strict";/);
    expect(made).toContain('debugger');
  });

  test('keeps names that code reads, and with keepNames: false they are given up', async () => {
    const code =
      '(() => {\n  class Invoice {}\n  function total() {}\n  globalThis.answer = new Invoice().constructor.name + total.name;\n})();\n';
    const context: { answer?: string } = {};
    runInNewContext(await madeOf('javascript', code), context);
    expect(context.answer).toBe('Invoicetotal');
    expect((await madeOf('javascript', code, { keepNames: false })).length).toBeLessThan(
      (await madeOf('javascript', code)).length,
    );
  });

  test('is not rewritten into syntax that it does not use', async () => {
    const made = await madeOf('javascript', 'if (a === null || a === undefined) { b(); }\nif (c == null) { c = 1; }\n');
    expect(made).not.toMatch(/\?\?|\?\./);
  });

  test('with eval in it goes on finding its names', async () => {
    const made = await madeOf('javascript', 'function f(argument) {\n  return eval("argument + 1");\n}\n');
    expect(runInNewContext(`${made};f(1)`)).toBe(2);
  });

  test('of the loose mode stays one', async () => {
    const made = await madeOf('javascript', 'var o = { a : 1 };\nwith (o) {\n  var got = a;\n}\nvar eight = 010;\n');
    expect(runInNewContext(`${made};got + eight`)).toBe(9);
  });
});

describe('a module', () => {
  test('is known by what only a module may say, and keeps what it exports', async () => {
    const made = await madeOf(
      'javascript',
      'const inner = 2;\nexport const outer = inner + (await Promise.resolve(1));\n',
    );
    const { outer } = await import(`data:text/javascript,${encodeURIComponent(made)}`);
    expect(outer).toBe(3);
  });

  test('with a name that says so gives up what it does not export', async () => {
    const made = await madeOf('javascript', 'function unused() { return "unused" }\nexport default 1;\n', {
      path: 'a.MJS',
    });
    expect(made).not.toContain('unused');
  });
});

test('CommonJS may return on its top', async () => {
  expect(await madeOf('javascript', 'if (done) {\n  return;\n}\nmodule.exports = 1;\n', { path: 'a.cjs' })).toContain(
    'return',
  );
});

describe('licences', () => {
  test.each([
    '/*! jQuery v3 | (c) OpenJS */',
    '/** @license React\n * MIT */',
    '// @preserve kept',
    '/*@cc_on alert(1) @*/',
  ])('%j stays', async licence => {
    const made = await madeOf('javascript', `/* gone */\n${licence}\nfunction f(argument) {\n  return argument;\n}\n`);
    // Its lines may be moved to the left.
    expect(made.replace(/\n +/g, '\n')).toContain(licence.replace(/\n +/g, '\n'));
    expect(made).not.toContain('gone');
  });

  test('inside code that goes stay', async () => {
    const made = await madeOf(
      'javascript',
      'if (false) {\n  /*! b */\n  foo();\n}\nfunction x() {\n  /** @preserve d */\n  return 1;\n}\n',
    );
    expect(made).toContain('/*! b */');
    expect(made).toContain('@preserve d');
  });
});

describe('what is left as it is', () => {
  test.each([
    ['function f( {', /^line 1, column 14: /],
    ['a;\nlet x: number = 1;\n', /^line 2, column 6: /],
    ['const a = <div/>;', /^line 1, column 11: /],
    ['export {};\nreturn 1;\nlet let_ = ;', /^line [23], /],
    ['var a = 1;\nvar b = "cut off', /^line 2, column 9: /],
  ])('%j is not JavaScript', async (code, reason) => {
    expect(await optimize('javascript', code)).toMatchObject({
      status: 'left',
      code: 'invalid',
      reason: expect.stringMatching(reason),
    });
  });

  test('bytes that are not UTF-8', async () => {
    expect(await optimize('javascript', Buffer.from([0x76, 0x61, 0x72, 0x20, 0xe9]))).toEqual({
      status: 'left',
      code: 'encoding',
      reason: 'it is not UTF-8',
    });
  });

  test.each(['https://maps.example/a.js.map', '//maps.example/a.map'])('a source map at %s', async url => {
    const code = `function f(argument) {\n  return argument;\n}\n//# sourceMappingURL=${url}\n`;
    expect(await optimize('javascript', code)).toMatchObject({ status: 'left', code: 'map' });
  });

  test('a source map that cannot be read', async () => {
    const code = 'function f(argument) {\n  return argument;\n}\n//# sourceMappingURL=a.js.map\n';
    expect(await optimize('javascript', code, { map: '{"version":2}' })).toMatchObject({ status: 'left', code: 'map' });
  });
});

describe('source maps', () => {
  const source =
    'export function price(amount: number): string {\n  const rounded = Math.round(amount);\n  return rounded.toFixed(2);\n}\n';
  const built =
    'export function price(amount) {\n    const rounded = Math.round(amount);\n    return rounded.toFixed(2);\n}\n';
  // Line by line, as a compiler that only strips types maps them: 4 columns of indent come from 2.
  const map = JSON.stringify({
    version: 3,
    file: 'price.js',
    sourceRoot: 'src',
    sources: ['price.ts'],
    sourcesContent: [source],
    names: [],
    mappings: 'AAAA,gBAAgB;IACd;IACA;AACF',
  });

  test('lead from the small file to the very sources, through the map that was there', async () => {
    const outcome = await optimize('javascript', `${built}//# sourceMappingURL=price.js.map\n`, { map });
    if (outcome.status !== 'smaller' || !outcome.map) throw new Error('no map was made');
    const code = Buffer.from(outcome.bytes).toString();
    expect(code).toMatch(/\n\/\/# sourceMappingURL=price\.js\.map$/);
    const made = JSON.parse(Buffer.from(outcome.map).toString());
    expect(made).toMatchObject({ version: 3, file: 'price.js', sources: ['src/price.ts'], sourcesContent: [source] });
    const consumer = new SourceMapConsumer(made);
    const at = consumer.originalOf(0, code.indexOf('Math.round'));
    expect(at).toMatchObject({ source: 'src/price.ts', line: 1 });
  });

  test('inside the file stay inside it', async () => {
    const url = `data:application/json;charset=utf-8;base64,${Buffer.from(map).toString('base64')}`;
    const padded = `${built}${'// a long comment that goes\n'.repeat(30)}//# sourceMappingURL=${url}`;
    const made = await madeOf('javascript', padded);
    const inline = /sourceMappingURL=data:application\/json;base64,(.*)$/.exec(made)?.[1];
    expect(JSON.parse(Buffer.from(inline!, 'base64').toString()).sources).toEqual(['src/price.ts']);
  });

  test('that are not there are no longer named', async () => {
    expect(await madeOf('javascript', `${built}//# sourceMappingURL=price.js.map\n`)).not.toContain('sourceMapping');
  });
});

test('an empty file is the same afterwards', async () => {
  expect(await optimize('javascript', '')).toEqual({ status: 'same' });
});
