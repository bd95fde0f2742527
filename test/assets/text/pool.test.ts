import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { createTextPool, optimizeText, type TextKind, textTools } from '../../../actions/lib/assets/text/index.ts';

const stop = new AbortController();
const pool = createTextPool(stop.signal, { size: 2 });
afterAll(() => pool[Symbol.asyncDispose]());

const precompress = { encodings: ['gzip', 'br'], minBytes: 10, minGainRatio: 0.01 } as const;
const job = (path: string, kind: TextKind, text: string) => ({
  file: { path, kind, bytes: Buffer.from(text), settings: { keepNames: true } },
  precompress,
});

test('many files at once come back each to who asked', async () => {
  const done = await Promise.all(
    Array.from({ length: 60 }, (_, at) =>
      pool.run(job(`${at}.js`, 'javascript', `var value${at} = ${at} ;\n// gone\n`)),
    ),
  );
  for (const [at, { outcome }] of done.entries()) {
    expect(outcome.status === 'smaller' && Buffer.from(outcome.bytes).toString()).toBe(`var value${at}=${at};`);
  }
});

test('a thread does the same as this one', async () => {
  const css = job('a.css', 'css', '.a { color: #ff0000 }');
  expect((await pool.run(css)).outcome).toEqual({
    ...(await optimizeText(css.file)),
    bytes: new Uint8Array(Buffer.from('.a{color:red}')),
  });
});

test('what is left as it is, is compressed as it is', async () => {
  const done = await pool.run(job('a.json', 'json', `[1,${' '.repeat(2000)}`));
  expect(done.outcome.status).toBe('left');
  expect(done.encodings.map(({ encoding }) => encoding)).toEqual(['gzip', 'br']);
});

test('a run that is cancelled ends its jobs', async () => {
  const cancelled = new AbortController();
  const other = createTextPool(cancelled.signal, { size: 1 });
  const jobs = [1, 2, 3].map(at => other.run(job(`${at}.json`, 'json', `[${'1 , '.repeat(200_000)}1]`)));
  cancelled.abort(new Error('enough'));
  for (const each of jobs) await expect(each).rejects.toThrow('enough');
  await expect(other.run(job('a.json', 'json', '1'))).rejects.toThrow('enough');
});

test('a file that does not come to an end is given up, and the next one goes on', async () => {
  await using impatient = createTextPool(stop.signal, { size: 1, timeoutMs: 3000 });
  // Each blank may be where an address begins, or where it ends: minutes of looking.
  const endless = job('a.svg', 'svg', `<svg><style>.a{fill:url(${' '.repeat(400_000)}</style></svg>`);
  const [given, next] = [impatient.run(endless), impatient.run(job('a.json', 'json', '[ 1 ]'))];
  await expect(given).rejects.toThrow('it was not done after 3 seconds');
  expect((await next).outcome.status).toBe('smaller');
});

test('made once, nothing changes any more: never larger, and the second time the same', async () => {
  const snippets: Record<TextKind, string[]> = {
    javascript: [
      'function f(a, b) { return a + b }',
      'if (a) { b() } else { c() }',
      'const x = { a: 1, "b": 2 };',
      '/*! l */',
      'for (let i = 0; i < 3; i++) console.log(i);',
      'class A { m() { return `x` } }',
      'var s = "a" + "b";',
      '// c',
    ],
    css: [
      '.a { color: #ff0000 }',
      '@media (min-width: 1px) { b { top: 0 } }',
      '/*! l */',
      '.a { margin: 0px 0px }',
      '.b, .b { color: rgba(0,0,0,.5) }',
      '@font-face { font-family: "x"; src: url(a.woff2) }',
    ],
    html: [
      '<p>a   b</p>',
      '<!-- c -->',
      '<pre> a  b</pre>',
      '<script> x </script>',
      '<ul>\n <li> a\n <li> b </ul>',
      'text  text',
      '<!--[if IE]>  a <![endif]-->',
      '<input value="  a  ">',
    ],
    svg: [],
    json: ['1'],
  };
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom<TextKind>('javascript', 'css', 'html'),
      fc.array(fc.nat(), { maxLength: 8 }),
      async (kind, picks) => {
        const list = snippets[kind];
        const text = picks.map(pick => list[pick % list.length]).join('\n');
        const first = await optimizeText(job(`a.${kind}`, kind, text).file);
        // What would leave an empty file is left as it is: only comments that nobody needs.
        const isOnlyComments = text.split('\n').every(line => /^(\/\/|<!-- )/.test(line));
        expect(first.status === 'left').toBe(isOnlyComments);
        if (first.status !== 'smaller') return;
        expect(first.bytes.length).toBeLessThan(Buffer.byteLength(text));
        expect(
          await optimizeText({ path: `a.${kind}`, kind, bytes: first.bytes, settings: { keepNames: true } }),
        ).toEqual({ status: 'same' });
      },
    ),
    { numRuns: 300 },
  );
});

test('the versions in the key of the cache are those that are installed', () => {
  const { dependencies } = JSON.parse(readFileSync(join(import.meta.dirname, '../../../package.json'), 'utf8'));
  const { rules: _, ...tools } = textTools;
  for (const [name, version] of Object.entries(tools)) expect([name, dependencies[name]]).toEqual([name, version]);
});
