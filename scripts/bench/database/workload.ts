import { type Advice, advise, definitionSql } from '../../../actions/lib/database/advisor.ts';
import { formatBytes, formatDuration } from '../../../actions/lib/log/index.ts';
import type { Result } from '../results.ts';
import { type BuiltSet, buildDefinitions, buildStatements, bytesOf, dropIndexes } from './indexes.ts';
import { type BenchStage, say } from './stage.ts';
import { measureStates, type Times, totalMs } from './times.ts';

type State = 'none' | 'advised' | 'by hand';

/**
 * What the advisor chooses for an application's day, with the bytes of the set that was made by hand, against that set:
 * both are built, and every statement runs without indexes, with the one and with the other, by turns. The advisor is told
 * the texts, how often each is called and how long it takes; of its parameters it knows nothing.
 */
export async function benchWorkload(stage: BenchStage, referenceIndexes: readonly string[]): Promise<Result[]> {
  const { client, session, statements } = stage;
  const byHand = await buildStatements(client, 'by_hand', referenceIndexes);
  const budgetBytes = bytesOf(byHand);
  await dropIndexes(client, byHand);
  const startedAt = performance.now();
  const advice = await advise({
    client,
    target: stage.target,
    statements: statements.map(each => each.workload),
    budgetBytes,
    evaluator: 'planner copy',
  });
  say(
    `advised ${advice.chosen.length} indexes in ${formatDuration((performance.now() - startedAt) / 1000)}: ` +
      `${advice.whatIfCalls} plans, ${advice.usefulCandidates} useful candidates of ${advice.candidates}`,
  );
  const advised = await buildDefinitions(client, advice.chosen);
  const reference = await buildStatements(client, 'by_hand', referenceIndexes);
  sayIndexes(advice, advised);
  try {
    const times = await measureStates<State>(session, statements, {
      none: [...advised.refs, ...reference.refs],
      advised: reference.refs,
      'by hand': advised.refs,
    });
    sayTimes(times);
    return judged(times, advised, reference);
  } finally {
    await dropIndexes(client, advised);
    await dropIndexes(client, reference);
  }
}

function judged(times: readonly Times<State>[], advised: BuiltSet, byHand: BuiltSet): Result[] {
  const seconds = (state: State) => totalMs(times, state) / 1000;
  const reads = times.filter(({ of }) => of.statement.kind === 'select');
  const writes = times.filter(({ of }) => of.statement.kind !== 'select');
  const slowerReads = reads.filter(({ ms }) => isSlower(ms.none, ms.advised));
  const slowerWrites = writes.filter(({ ms }) => isSlower(ms['by hand'], ms.advised));
  const names = (list: readonly Times<State>[]) => list.map(({ of }) => of.name).join(', ');
  return [
    {
      name: 'time with the advised set / by hand',
      value: seconds('advised') / seconds('by hand'),
      target: 1.1,
      unit: '×',
      detail: `${seconds('advised').toFixed(1)} s of a day against ${seconds('by hand').toFixed(1)} s, and ${seconds('none').toFixed(1)} s without indexes; ${times.length} statements`,
    },
    {
      name: 'bytes of the advised set / by hand',
      value: bytesOf(advised) / bytesOf(byHand),
      target: 1,
      unit: '×',
      detail: `${formatBytes(bytesOf(advised))} in ${advised.refs.length} indexes against ${formatBytes(bytesOf(byHand))} in ${byHand.refs.length}`,
    },
    {
      name: 'reads slower by > 10 % than without',
      value: slowerReads.length,
      target: 0,
      unit: '',
      detail: `of ${reads.length} ${names(slowerReads)}`.trim(),
    },
    {
      // No index is free for an INSERT: those made by hand are not either.
      name: 'writes slower by > 10 % than by hand',
      value: slowerWrites.length,
      target: 0,
      unit: '',
      detail: `of ${writes.length} ${names(slowerWrites)}`.trim(),
    },
  ];
}

/** Below this a ratio says nothing: a repeated measurement of the same thing differs by as much. */
const floorMs = 0.1;

function isSlower(before: number, after: number): boolean {
  return after > before * 1.1 && after > before + floorMs;
}

function sayIndexes({ chosen }: Advice, { bytes }: BuiltSet): void {
  for (const [n, each] of chosen.entries()) {
    const size = `${formatBytes(bytes[n]!)} (reckoned ${formatBytes(each.estimatedBytes)})`;
    say(`  ${size.padEnd(30)} ${definitionSql(each.definition)}`);
  }
}

const shown = 12;

function sayTimes(times: readonly Times<State>[]): void {
  const lost = ({ of, ms }: Times<State>) => (ms.advised - ms['by hand']) * of.calls;
  say(`most lost against the set by hand:`);
  for (const each of [...times].sort((a, b) => lost(b) - lost(a)).slice(0, shown)) {
    const { none, advised, 'by hand': byHand } = each.ms;
    say(
      `  ${each.of.name.padEnd(38)} ${String(each.of.calls).padStart(6)} × ${none.toFixed(3).padStart(8)} ms without, ` +
        `${advised.toFixed(3).padStart(8)} advised, ${byHand.toFixed(3).padStart(8)} by hand: ${(lost(each) / 1000).toFixed(1)} s`,
    );
  }
}
