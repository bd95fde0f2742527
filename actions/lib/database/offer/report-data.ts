import { createIndexSql } from '../indexes/index.ts';
import type { Measurement, ProposedIndex, StatementProof, WriteCost } from '../prove/index.ts';
import { refKey } from '../prove/index.ts';
import type { RemovalCandidate } from '../removal/index.ts';
import type { DatabaseSession } from '../session/index.ts';
import { buildChange, dropChange, indexFinder } from './changes.ts';
import type { AdviseData, AdvisedIndex, AdvisedRemoval, AdvisedStatementData } from './data.ts';
import type { Facts, Proved, Search } from './operation.ts';

type Everything = { session: DatabaseSession } & Facts & Search & { searchNotes: string[] } & Proved;

/** What was found, as the report keeps it; `changes` holds only what is proved. */
export function adviseData(all: Everything): AdviseData {
  const { session, workload, advice, proof, proposed, plan, catalog } = all;
  const existing = indexFinder(catalog.tables.flatMap(table => table.indexes));
  const textOf = new Map(workload.map(each => [each.fingerprint, each.text]));
  const builds = (proof?.indexes ?? [])
    .filter(each => each.verdict === 'offered')
    .map(each => ({ index: each.index, change: buildChange(each, textOf, existing, catalog) }));
  const merged = new Set(builds.flatMap(({ index }) => index.replaces.map(refKey)));
  const removals = plan.removals.map(candidate => removalOf(candidate, all, merged));
  const drops = removals.flatMap(({ change }) => change ?? []);
  return {
    database: session.database,
    target: session.target.display,
    copy: all.origin,
    workload: {
      statements: workload.length,
      totalMs: workload.reduce((sum, each) => sum + each.totalMs, 0),
      windowSeconds: all.workloadSeconds,
    },
    search: {
      evaluator: advice?.evaluator ?? 'none',
      whatIfCalls: advice?.whatIfCalls ?? 0,
      candidates: advice?.candidates ?? 0,
      usefulCandidates: advice?.usefulCandidates ?? 0,
      budgetBytes: advice?.budgetBytes ?? 0,
    },
    totalMsAfter: proof?.totalMsAfter ?? null,
    proofSeconds: proof?.seconds ?? null,
    indexes: proposed.map(index => indexOf(index, all, builds.find(each => each.index === index)?.change.id ?? null)),
    removals: removals.map(({ advised }) => advised),
    statements: (proof?.statements ?? []).map(statementOf),
    drift: all.drift.map(({ declared: _, ...each }) => each),
    changes: [...builds.map(({ change }) => change), ...drops],
    notes: [...all.notes, ...all.searchNotes, ...all.groundNotes, ...(proof?.notes ?? [])],
  };
}

function indexOf(index: ProposedIndex, { advice, proof }: Everything, id: string | null): AdvisedIndex {
  const chosen = [...(advice?.chosen ?? []), ...(advice?.unjudged ?? [])].find(each => each.name === index.name);
  const proved = proof?.indexes.find(each => each.index === index);
  return {
    id,
    schema: index.definition.schema,
    table: index.definition.table,
    name: index.name,
    sql: createIndexSql(index.definition, index.name, { concurrently: true }),
    verdict: proved?.verdict ?? 'unproved',
    why: proved?.why ?? 'there was no copy to prove it on',
    reason: chosen?.reason ?? `one index in place of ${index.replaces.map(ref => ref.name).join(' and ')}`,
    estimatedBytes: chosen?.estimatedBytes ?? null,
    bytes: proved?.build?.bytes ?? null,
    buildSeconds: proved?.build?.seconds ?? null,
    savedMs: proved?.savedMs ?? 0,
    users: proved?.users ?? [],
    write: proved?.write ? writeOf(proved.write) : null,
  };
}

function writeOf({ rows, insert, update, why }: WriteCost): AdvisedIndex['write'] {
  return { rows, insert: insert ?? null, update: update ?? null, why: why ?? null };
}

function removalOf(candidate: RemovalCandidate, { proof }: Everything, merged: ReadonlySet<string>) {
  const { index, kind, coveredBy, scans } = candidate;
  const ref = { schema: index.schema, name: index.name };
  const proved = proof?.removals.find(each => refKey(each.index) === refKey(ref));
  // What a merge replaces goes with the merge.
  const change = proved?.verdict === 'offered' && !merged.has(refKey(ref)) ? dropChange(candidate) : undefined;
  const advised: AdvisedRemoval = {
    id: change?.id ?? null,
    kind,
    schema: index.schema,
    table: index.table,
    name: index.name,
    sql: dropChange(candidate).sql[0]!,
    bytes: index.bytes,
    scans,
    coveredBy: coveredBy?.name ?? null,
    verdict: proved?.verdict ?? 'unproved',
    reason: candidate.why,
    why: proved?.why ?? 'there was no copy to prove it on',
  };
  return { change, advised };
}

function statementOf(proof: StatementProof): AdvisedStatementData {
  const { statement, before, after } = proof;
  return {
    fingerprint: statement.statement.fingerprint,
    text: statement.statement.text,
    calls: statement.calls,
    totalMs: statement.totalMs,
    parameters: statement.parameters,
    samples: statement.samples.length,
    outcome: proof.outcome,
    why: proof.why ?? null,
    beforeMs: before?.ms ?? null,
    afterMs: after?.ms ?? null,
    isBeforeLimit: before?.limitMs !== undefined,
    beforeBuffers: blocksOf(before),
    afterBuffers: blocksOf(after),
    reads: proof.reads,
  };
}

/** What did not come to its end was not counted. */
function blocksOf(measured: Measurement | undefined): number | null {
  return measured && measured.limitMs === undefined ? Math.round(measured.buffers) : null;
}
