import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { OpsError } from '../../actions/lib/errors/index.ts';
import type { Operation, Outcome } from '../../actions/lib/reports/index.ts';
import { runOperation } from '../../actions/lib/run/operation.ts';
import { frameOf } from './frame.ts';

type Data = { done: number };
/** Notes what it is told to announce. */
function countTo(execute: () => Outcome<Data>): { operation: Operation<string, Data>; told: unknown[] } {
  const told: unknown[] = [];
  const operation: Operation<string, Data> = {
    kind: 'count.up',
    dataSchema: z.strictObject({ done: z.int() }),
    execute: async () => execute(),
    lines: () => [],
    summary: () => '',
    announce: async ({ data, error }, input) => void told.push({ data, code: error?.code ?? null, input }),
  };
  return { operation, told };
}

test('what an operation tells others, it tells when its report is stored', async () => {
  const { operation, told } = countTo(() => ({ data: { done: 3 }, checks: [] }));
  const frame = frameOf();
  let storedWhenTold: unknown;
  const { announce } = operation;
  operation.announce = async (report, input, context) => {
    storedWhenTold = JSON.parse(readFileSync(`${frame.cwd}/reports/latest/count.up.json`, 'utf8')).id;
    await announce!(report, input, context);
  };
  const { report } = await runOperation(operation, 'given', frame);
  expect(storedWhenTold).toBe(report.id);
  expect(told).toEqual([{ data: { done: 3 }, code: null, input: 'given' }]);
});

test('nothing is told of a dry run, and of what could not be recorded', async () => {
  const dry = countTo(() => ({ data: { done: 0 }, checks: [], isDryRun: true }));
  await runOperation(dry.operation, '', frameOf());
  const lost = countTo(() => ({ data: { done: 3 }, checks: [] }));
  const store = { save: () => Promise.reject(new OpsError('REPORT_STORE', 'the disk is full')) };
  const { error } = await runOperation(lost.operation, '', { ...frameOf(), store });
  expect(error).toMatchObject({ code: 'REPORT_STORE' });
  expect([...dry.told, ...lost.told]).toEqual([]);
});

test.each([
  ['failure', 'STORAGE_FULL', undefined],
  // Stored nowhere, since nothing ran.
  ['wrong usage', 'USAGE', 'usage'],
] as const)('a %s is told as well', async (_what, code, exit) => {
  const { operation, told } = countTo(() => {
    throw new OpsError(code, 'no', exit && { exit });
  });
  await runOperation(operation, '', frameOf());
  expect(told).toEqual([{ data: null, code, input: '' }]);
});
