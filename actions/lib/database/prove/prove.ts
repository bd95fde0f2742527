import type { Log, Progress } from '../../log/index.ts';
import { type PostgresTarget, quoteQualified } from '../../postgres/index.ts';
import { Budget } from './budget.ts';
import { type Built, buildIndexes, dropIndex } from './builds.ts';
import { CopySession } from './copy-session.ts';
import { vacuumWhatIsNew } from './prepare-copy.ts';
import { type IndexRef, type ProposedIndex, type ProvableStatement, refKey, refOf } from './provable.ts';
import { rejectRegressions } from './regressions.ts';
import { proveRemovals } from './removals.ts';
import type { IndexProof, Proof, StatementProof } from './result.ts';
import { Trial } from './trial.ts';
import { rejectUseless, type Usefulness } from './usefulness.ts';
import { measureWriteCost, type WriteCost } from './write-cost.ts';

export interface ProveOptions {
  /** A copy that nobody else works with: indexes are built in it, and statements of the workload run, rolled back. */
  target: PostgresTarget;
  /** May create extensions there. Default: `target`. */
  admin?: PostgresTarget;
  statements: readonly ProvableStatement[];
  proposed: readonly ProposedIndex[];
  /** Indexes of today that might go. */
  removals: readonly IndexRef[];
  /** Settings of production that its planner goes by. */
  settings: Readonly<Record<string, string>>;
  /** Rows that production writes in the window of the workload; undefined: nobody knows. */
  writesOf: (table: { schema: string; table: string }) => Writes | undefined;
  /** Of the whole proof. */
  budgetSeconds: number;
  /** Of one execution of one statement. */
  statementTimeoutMs: number;
  log: Log;
  progress: Progress;
  signal: AbortSignal;
}

export interface Writes {
  inserted: number;
  /** Updates that were not heap-only, hence wrote to every index. */
  updatedNotHot: number;
}

/** Shares of the time: what each stage may have used up of it when it ends. */
const untilMeasured = 0.6;
const untilWithoutRegressions = 0.7;
const untilUseful = 0.8;
const untilRemoved = 1;

/**
 * Builds what is proposed on a copy, runs the workload with it and without it, and says what of it survives: what the
 * planner uses, what makes its statements faster on its own account, what makes no other slower, and what saves more than
 * writing it costs. Nothing else is offered. What was built is dropped again.
 * @throws OpsError those of `pgError` when the server of the copy goes away; CANCELLED
 */
export async function proveIndexes(options: ProveOptions): Promise<Proof> {
  const { target, admin = target, statements, proposed, signal } = options;
  const budget = new Budget(options.budgetSeconds);
  await using session = await CopySession.open(target, options);
  const notes: string[] = [];
  const vacuumed = await vacuumWhatIsNew(session);
  if (vacuumed > 0) options.log.info('Vacuumed and analysed the tables of the copy', { tables: vacuumed });
  const { built, failed } = await buildIndexes(session, admin, proposed, budget, signal);
  for (const { index, why } of failed) options.log.warn(`${index.name} was not built: ${why}`);
  try {
    await session.watch([
      ...built.map(({ index }) => refOf(index)),
      ...proposed.flatMap(({ replaces }) => replaces),
      ...options.removals,
    ]);
    const trial = new Trial(session, built, { budget, signal });
    const task = options.progress.start('measuring statements', statements.length);
    await trial.measure(statements, untilMeasured, () => task.advance(1));
    task.done();
    await rejectRegressions(trial, untilWithoutRegressions);
    const useful = await rejectUseless(trial, untilUseful);
    const writes = await weighWrites(trial, useful, options);
    const hidden = trial.states.after;
    const removals = await proveRemovals(session, options.removals, statements, hidden, {
      budget,
      signal,
      share: untilRemoved,
    });
    const time = timeOf(trial.proofs);
    const late = trial.proofs.filter(proof => proof.outcome === 'unproved').length;
    if (late > 0) notes.push(`${late} of ${statements.length} statements could not be proved; each says why`);
    return {
      indexes: proposed.map(index => indexProof(index, { trial, built, failed, useful, writes })),
      removals,
      statements: statements.flatMap(statement => trial.proofs.find(proof => proof.statement === statement) ?? []),
      ...time,
      notes,
      seconds: budget.seconds,
    };
  } finally {
    await dropAll(session, built, options);
  }
}

/** An index that costs more to keep than it saves goes, too. */
async function weighWrites(
  trial: Trial,
  useful: ReadonlyMap<Built, Usefulness>,
  options: ProveOptions,
): Promise<Map<Built, WriteCost>> {
  const costs = new Map<Built, WriteCost>();
  for (const each of [...trial.set]) {
    options.signal.throwIfAborted();
    const others = trial.refs.filter(ref => refKey(ref) !== refKey(refOf(each.index)));
    const cost = await measureWriteCost(trial.session, each.index, others);
    costs.set(each, cost);
    const writtenMs = writtenMsOf(cost, options.writesOf(each.index.definition));
    const savedMs = useful.get(each)?.savedMs ?? 0;
    if (each.index.replaces.length > 0 || writtenMs === undefined || writtenMs <= savedMs) continue;
    const why = `writing it costs production more (${seconds(writtenMs)}) than it saves (${seconds(savedMs)}) in the same time`;
    await trial.reject(each, { verdict: 'not offered', why }, untilUseful);
  }
  return costs;
}

/** Milliseconds that production would spend on keeping the index; undefined when nobody knows. */
export function writtenMsOf(cost: WriteCost, writes: Writes | undefined): number | undefined {
  if (!cost.insert || !writes) return undefined;
  const perRow = Math.max(0, cost.insert.withMs - cost.insert.withoutMs) / 1000;
  // An update that is not heap-only puts an entry into every index, as an insert does.
  return perRow * (writes.inserted + writes.updatedNotHot);
}

function indexProof(
  index: ProposedIndex,
  of: {
    trial: Trial;
    built: readonly Built[];
    failed: readonly { index: ProposedIndex; why: string }[];
    useful: ReadonlyMap<Built, Usefulness>;
    writes: ReadonlyMap<Built, WriteCost>;
  },
): IndexProof {
  const failure = of.failed.find(each => each.index === index);
  const built = of.built.find(each => each.index === index);
  const rejection = of.trial.rejected.get(refKey(refOf(index)));
  const use = built && of.useful.get(built);
  const common = {
    index,
    build: built?.build,
    users: use?.users ?? [],
    savedMs: use?.savedMs ?? 0,
    write: built && of.writes.get(built),
  };
  if (failure) return { ...common, verdict: 'unproved', why: failure.why };
  if (rejection) return { ...common, ...rejection, savedMs: 0 };
  return { ...common, verdict: 'offered', why: offeredWhy(index, common) };
}

function offeredWhy(index: ProposedIndex, { users, savedMs }: { users: string[]; savedMs: number }): string {
  const count = users.length === 1 ? 'one statement' : `${users.length} statements`;
  return index.replaces.length > 0
    ? `serves ${count} as well as the ${index.replaces.length} indexes that it replaces`
    : `${count} ${users.length === 1 ? 'is' : 'are'} faster by it, ${seconds(savedMs)} of the workload`;
}

function timeOf(proofs: readonly StatementProof[]): Pick<Proof, 'totalMsBefore' | 'totalMsAfter'> {
  const total = (value: (proof: StatementProof) => number) => proofs.reduce((sum, proof) => sum + value(proof), 0);
  return {
    totalMsBefore: total(({ statement }) => statement.totalMs),
    totalMsAfter: total(({ statement, before, after }) =>
      before && after && before.ms > 0 ? (statement.totalMs * after.ms) / before.ms : statement.totalMs,
    ),
  };
}

/** Also when the work was broken off; a server that is gone takes a new connection later or never. */
async function dropAll(session: CopySession, built: readonly Built[], options: ProveOptions): Promise<void> {
  if (built.length === 0) return;
  const refs = built.map(({ index }) => refOf(index));
  try {
    if (!session.isGone) {
      for (const ref of refs) await dropIndex(session, ref);
      return;
    }
    await using again = await CopySession.open(options.target, { ...options, signal: AbortSignal.timeout(30_000) });
    for (const ref of refs) await dropIndex(again, ref);
  } catch {
    const names = refs.map(ref => quoteQualified(ref.schema, ref.name)).join(', ');
    options.log.warn(`Indexes may be left on the copy, which could not be reached any more: ${names}`);
  }
}

function seconds(ms: number): string {
  return ms < 1000 ? `${ms.toFixed(1)} ms` : `${(ms / 1000).toFixed(1)} s`;
}
