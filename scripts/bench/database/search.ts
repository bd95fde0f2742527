import {
  Advisor,
  indexName,
  msAt,
  type SizedCandidate,
  type WeightedStatement,
} from '../../../actions/lib/database/advisor.ts';
import { formatBytes } from '../../../actions/lib/log/index.ts';
import type { Result } from '../results.ts';
import { extend } from './extend.ts';
import { buildDefinitions, dropIndexes } from './indexes.ts';
import { type BenchStage, say } from './stage.ts';
import { measureStates, type Times, totalMs } from './times.ts';

/** Of what all tables take. */
const budgetShares = [0.02, 0.05, 0.12];

/** Our search against Extend, on the same candidates and answers of the planner, at the bytes that are really built. */
export async function benchSearch(stage: BenchStage): Promise<Result[]> {
  const { client, target, statements } = stage;
  const { rows } = await client.query<{ bytes: string }>(
    `SELECT sum(pg_table_size(oid)) AS bytes FROM pg_class WHERE relkind = 'r' AND relnamespace IN ('public'::regnamespace, 'content'::regnamespace)`,
  );
  const results: Result[] = [];
  const workload = statements.map(each => each.workload);
  for (const share of budgetShares) {
    const budgetBytes = Number(rows[0]!.bytes) * share;
    const advisor = await Advisor.open({
      client,
      target,
      statements: workload,
      budgetBytes,
      evaluator: 'planner copy',
    });
    try {
      await advisor.prepare();
      const weighted = advisor.weighted();
      const candidates = advisor.usefulCandidates();
      const theirs = (await extend({ statements: weighted, candidates, budgetBytes, whatIf: advisor.whatIf })).at(-1)!;
      const sizes = new RealSizes(stage);
      const theirBytes = await sizes.of(theirs);
      const ours = await withinBytes(advisor, sizes, theirBytes);
      const cost = async (set: readonly SizedCandidate[]) => costOf(advisor, weighted, set);
      const [a, b] = [await cost(ours), await cost(theirs)];
      const times = await executed(stage, ours, theirs);
      const detail = `at ${formatBytes(await sizes.of(ours))} against ${formatBytes(theirBytes)}; ${ours.length} and ${theirs.length} indexes of ${candidates.length} candidates`;
      say(`budget ${formatBytes(budgetBytes)}: ${advisor.whatIf.calls} plans; ${detail}`);
      results.push(
        { name: `planner cost / Extend, ${formatBytes(budgetBytes)}`, value: a / b, target: 1, unit: '×', detail },
        {
          name: `executed time / Extend, ${formatBytes(budgetBytes)}`,
          value: times.ours / times.theirs,
          target: 1,
          unit: '×',
          detail: `${(times.ours / 1000).toFixed(0)} s of a day against ${(times.theirs / 1000).toFixed(0)} s`,
        },
      );
    } finally {
      await advisor.close();
    }
  }
  return results;
}

async function costOf(advisor: Advisor, weighted: readonly WeightedStatement[], set: readonly SizedCandidate[]) {
  let sum = 0;
  for (const each of weighted) sum += msAt(each, await advisor.whatIf.cost(each.statement, set));
  return sum;
}

/** Bytes of sets as they are really built: each index once, alone, and dropped again. */
class RealSizes {
  readonly #stage: BenchStage;
  readonly #known = new Map<string, number>();

  constructor(stage: BenchStage) {
    this.#stage = stage;
  }

  async of(set: readonly SizedCandidate[]): Promise<number> {
    const { client } = this.#stage;
    for (const candidate of set) {
      if (this.#known.has(candidate.id)) continue;
      const built = await buildDefinitions(client, [named(candidate, 'size')], { analyze: false });
      this.#known.set(candidate.id, built.bytes[0]!);
      await dropIndexes(client, built);
    }
    return set.reduce((sum, { id }) => sum + this.#known.get(id)!, 0);
  }
}

/** Sizes are reckoned before they are built, so the budget is set until what is really built fits. */
async function withinBytes(advisor: Advisor, sizes: RealSizes, bytes: number): Promise<SizedCandidate[]> {
  let best: { set: SizedCandidate[]; bytes: number } | undefined;
  let budget = bytes;
  for (let round = 0; round < 5; round++) {
    const set = await advisor.select(budget);
    const real = await sizes.of(set);
    if (real <= bytes && (!best || real > best.bytes)) best = { set, bytes: real };
    if (real <= bytes && real > bytes * 0.98) break;
    budget *= (bytes / real) * 0.995;
  }
  if (!best) throw new Error('no set of the advisor fits into the bytes of Extend');
  return best.set;
}

async function executed(stage: BenchStage, ours: readonly SizedCandidate[], theirs: readonly SizedCandidate[]) {
  const { client, session, statements } = stage;
  const a = await buildDefinitions(
    client,
    ours.map(each => named(each, 'ours')),
  );
  const b = await buildDefinitions(
    client,
    theirs.map(each => named(each, 'extend')),
  );
  try {
    const times = await measureStates(session, statements, { ours: b.refs, theirs: a.refs });
    sayDifferences(times);
    return { ours: totalMs(times, 'ours'), theirs: totalMs(times, 'theirs') };
  } finally {
    await dropIndexes(client, a);
    await dropIndexes(client, b);
  }
}

/** The statements in which the sets differ most. */
function sayDifferences(times: readonly Times<'ours' | 'theirs'>[]): void {
  const differences = times.map(({ of, ms }) => ({ of, ms, seconds: ((ms.ours - ms.theirs) * of.calls) / 1000 }));
  differences.sort((a, b) => Math.abs(b.seconds) - Math.abs(a.seconds));
  for (const { of, ms, seconds } of differences.slice(0, 5)) {
    const each = `${ms.ours.toFixed(2)} ms against ${ms.theirs.toFixed(2)} ms`;
    say(`  ${seconds > 0 ? '+' : ''}${seconds.toFixed(1)} s of a day: ${of.name}, ${each}`);
  }
}

/** Both sets may hold the same index: each has a name of its own, which must not be cut off. */
function named({ definition, prerequisites }: SizedCandidate, prefix: string) {
  return { name: `${prefix}${indexName(definition).slice(-9)}`, definition, prerequisites };
}
