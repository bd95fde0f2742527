import { sourceDatabase } from '../../backup/index.ts';
import type { OpsContext } from '../../context/index.ts';
import { toOpsError } from '../../errors/index.ts';
import { connect, type PostgresTarget } from '../../postgres/index.ts';
import type { Operation } from '../../reports/index.ts';
import { type Advice, advise } from '../advise/index.ts';
import { type Catalog, type CatalogIndex, readCatalog, readStatistics } from '../catalog/index.ts';
import { compareDeclared, type DeclaredIndex, type Drift, declaredIndex, driftCheck } from '../declared/index.ts';
import { CopySession, type Proof, type ProposedIndex, proveIndexes } from '../prove/index.ts';
import { type IndexUsage, planRemovals, type RemovalPlan, readForeignKeys, readIndexUsage } from '../removal/index.ts';
import { type DatabaseSession, openSession } from '../session/index.ts';
import type { WorkloadStatement } from '../statements/index.ts';
import { openProvingGround, type ProvingGround } from './copy.ts';
import { type AdviseData, adviseDataSchema } from './data.ts';
import { publishAdvice } from './issue.ts';
import { readPlannerSettings, readWorkloadWindow, writesIn } from './production-facts.ts';
import { adviseData } from './report-data.ts';
import { provableStatements } from './samples.ts';
import { lines, summary } from './text.ts';

export interface AdviseInput {
  /** A copy to prove on: a PostgreSQL URL. Undefined: the newest backup is restored. */
  on: string | undefined;
  /** Of the backup: a set id, or `latest`. */
  set: string;
  source: string | undefined;
  /** Of all new indexes together. */
  budgetBytes: number | undefined;
  /** Write the issue with the evidence; needs GITHUB_TOKEN. */
  issue: boolean;
}

/** Where the workload is read from; a problem says why there is none. */
export type WorkloadReader = (session: DatabaseSession) => Promise<{
  statements: readonly WorkloadStatement[];
  problem?: { what: string; mend: readonly string[] } | undefined;
}>;

/**
 * What indexes this workload wants, and which of those it has might go: searched by planner cost on production, which is
 * only read, and proved on a copy. What is not proved is shown and not offered.
 */
export function createAdviseOperation(readWorkload: WorkloadReader): Operation<AdviseInput, AdviseData> {
  return {
    kind: 'database.advise',
    dataSchema: adviseDataSchema,
    async execute(input, context) {
      const target = sourceDatabase(context);
      await using session = await openSession(target, { signal: context.signal });
      const facts = await readFacts(session, target, context, readWorkload);
      const search = await searchIndexes(target, facts, input, context);
      const ground = await proveOn(context, session, facts, search, input);
      const data = adviseData({ session, ...facts, ...search, ...ground });
      return { data, checks: driftCheck(facts.drift, facts.declared.length, session.database) };
    },
    lines,
    summary,
    async announce({ data }, input, context) {
      if (data && input.issue) await publishAdvice(data, context);
    },
  };
}

/** What is known of production; nothing is written there. */
export interface Facts {
  catalog: Catalog;
  workload: readonly WorkloadStatement[];
  workloadSeconds: number | null;
  usage: IndexUsage;
  declared: readonly DeclaredIndex[];
  /** Indexes of today that are declared: they stay. */
  declaredFound: ReadonlySet<CatalogIndex>;
  drift: readonly Drift[];
  settings: Record<string, string>;
  notes: string[];
}

async function readFacts(
  session: DatabaseSession,
  target: PostgresTarget,
  context: OpsContext,
  readWorkload: WorkloadReader,
): Promise<Facts> {
  const { database } = context.config;
  const { statements, problem } = await readWorkload(session);
  const notes = problem ? [`${problem.what}. ${problem.mend.join(' ')}`] : [];
  const mostStatements = database.advise.statements;
  const workload = [...statements].sort((a, b) => b.totalMs - a.totalMs).slice(0, mostStatements);
  if (workload.length < statements.length) {
    notes.push(`The ${mostStatements} costliest of ${statements.length} statements were looked at`);
  }
  const catalog = await withReader(target, context, readCatalog);
  const usage = await readIndexUsage(session, context);
  const declared = database.indexes.map(declaredIndex);
  const { drift, found } = await compareDeclared(session, catalog, declared, {
    isStrict: database.indexesStrict,
    ignoreSchemas: database.ignoreSchemas,
  });
  return {
    catalog,
    workload,
    workloadSeconds: await readWorkloadWindow(session),
    usage,
    declared,
    declaredFound: found,
    drift,
    settings: await readPlannerSettings(session),
    notes: [...notes, ...usage.notes],
  };
}

/** What is to be proved. */
export interface Search {
  advice: Advice | undefined;
  proposed: ProposedIndex[];
  plan: RemovalPlan;
}

async function searchIndexes(
  target: PostgresTarget,
  facts: Facts,
  input: AdviseInput,
  context: OpsContext,
): Promise<Search & { searchNotes: string[] }> {
  const { thresholds, ignoreSchemas, advise: limits } = context.config.database;
  const budgetBytes = input.budgetBytes ?? limits.budgetBytes;
  await using session = await openSession(target, { signal: context.signal });
  const plan = planRemovals(facts.catalog.tables, await readForeignKeys(session), facts.usage, {
    unusedWindowSeconds: thresholds.unusedWindow,
    unusedIndexBytes: thresholds.unusedIndexBytes,
    ignoreSchemas,
    declared: facts.declaredFound,
  });
  const merges = plan.merges.map(merge => ({
    definition: merge.definition,
    name: merge.name,
    prerequisites: [],
    replaces: merge.replaces.map(({ schema, name }) => ({ schema, name })),
  }));
  if (facts.workload.length === 0) return { advice: undefined, proposed: merges, plan, searchNotes: [] };
  const task = context.progress.start('searching indexes');
  try {
    const advice = await withReader(target, context, client =>
      advise({
        client,
        target,
        statements: facts.workload,
        catalog: facts.catalog,
        signal: context.signal,
        log: context.log,
        ...(budgetBytes !== undefined && { budgetBytes }),
      }),
    );
    const chosen = [...advice.chosen, ...advice.unjudged].map(each => ({
      definition: each.definition,
      name: each.name,
      prerequisites: each.prerequisites,
      replaces: [],
    }));
    const names = new Set(chosen.map(each => each.name));
    const proposed = [...chosen, ...merges.filter(each => !names.has(each.name))];
    return { advice, proposed, plan, searchNotes: advice.notes };
  } finally {
    task.done();
  }
}

/** Catalogs and plans by one connection that cannot write. */
async function withReader<T>(
  target: PostgresTarget,
  { signal }: OpsContext,
  work: (client: Awaited<ReturnType<typeof connect>>) => Promise<T>,
): Promise<T> {
  const client = await connect(target, {
    applicationName: 'production-ops advise',
    statementTimeoutMs: 30_000,
    settings: { default_transaction_read_only: 'on', lock_timeout: '2s' },
    signal,
  });
  try {
    return await work(client);
  } finally {
    await client.end().catch(() => {});
  }
}

export interface Proved {
  origin: ProvingGround['origin'] | { kind: 'none'; why: string };
  proof: Proof | undefined;
  groundNotes: string[];
}

async function proveOn(
  context: OpsContext,
  production: DatabaseSession,
  facts: Facts,
  { proposed, plan }: Search,
  input: AdviseInput,
): Promise<Proved> {
  if (proposed.length === 0 && plan.removals.length === 0) {
    return { origin: { kind: 'none', why: 'there is nothing to prove' }, proof: undefined, groundNotes: [] };
  }
  const limits = context.config.database.advise;
  let isOpen = false;
  try {
    await using ground = await openProvingGround(context, production, input);
    isOpen = true;
    const statements = await sampled(ground, facts, context);
    const seconds = facts.workloadSeconds ?? facts.usage.windowSeconds;
    const proof = await proveIndexes({
      target: ground.target,
      admin: ground.admin,
      statements,
      proposed,
      removals: plan.removals.map(({ index }) => ({ schema: index.schema, name: index.name })),
      settings: facts.settings,
      writesOf: ({ schema, table }) => {
        const found = facts.catalog.find(schema, table);
        return found && writesIn(found, seconds, facts.usage.windowSeconds);
      },
      budgetSeconds: limits.proofTime,
      statementTimeoutMs: Math.ceil(limits.statementTimeout * 1000),
      log: context.log,
      progress: context.progress,
      signal: context.signal,
    });
    return { origin: ground.origin, proof, groundNotes: ground.notes };
  } catch (thrown) {
    context.signal.throwIfAborted();
    const error = toOpsError(thrown);
    // A copy that was named and cannot be used is a mistake to be told at once; the newest backup may be missing.
    const isNamed = input.on !== undefined || input.set !== 'latest';
    if (error.code === 'INTERNAL' || (isNamed && !isOpen)) throw error;
    context.log.warn(`Nothing was proved: ${error.message}`);
    const why = error.hint ? `${error.message}. ${error.hint}` : error.message;
    return { origin: { kind: 'none', why }, proof: undefined, groundNotes: [] };
  }
}

/** Values for the statements, from the statistics and rows of the copy. */
async function sampled(ground: ProvingGround, facts: Facts, { config, signal }: OpsContext) {
  const { settings } = facts;
  const statementTimeoutMs = Math.ceil(config.database.advise.statementTimeout * 1000);
  await using session = await CopySession.open(ground.target, { settings, statementTimeoutMs, signal });
  const catalog = await readCatalog(session.client);
  const statistics = await readStatistics(
    session.client,
    catalog.tables.filter(table => table.kind !== 'view'),
  );
  return await provableStatements(session, facts.workload, catalog, statistics);
}
