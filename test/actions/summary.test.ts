import { expect, test } from 'vitest';
import { fitSummary } from '../../actions/lib/run/action.ts';

const url = 'https://github.example/shop/ops/actions/runs/7/attempts/1';
const limit = 900_000;

test('a summary that fits stays as it is', () => {
  const markdown = 'a'.repeat(limit);
  expect(fitSummary(markdown, url)).toBe(markdown);
});

test('a longer one is cut at the end of a line, and links to the run', () => {
  const line = `| ${'é'.repeat(40)} |\n`;
  const fitted = fitSummary(line.repeat(20_000), url);
  expect(Buffer.byteLength(fitted)).toBeLessThanOrEqual(limit);
  expect(Buffer.byteLength(fitted)).toBeGreaterThan(limit - 1024);
  expect(fitted).toContain(`[the run](${url})`);
  const kept = fitted.slice(0, fitted.indexOf('\n\nThis summary was cut'));
  expect(new Set(kept.split('\n'))).toEqual(new Set([line.trimEnd()]));
});

test('one endless line is cut between two characters', () => {
  const fitted = fitSummary('é'.repeat(limit), url);
  expect(Buffer.byteLength(fitted)).toBeLessThanOrEqual(limit);
  expect(fitted).not.toContain('\ufffd');
});
