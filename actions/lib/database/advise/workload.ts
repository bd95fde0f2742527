import type pg from 'pg';
import { toOpsError } from '../../errors/index.ts';
import type { Catalog, CatalogTable, Statistics } from '../catalog/index.ts';
import {
  type ParsedStatement,
  parameterSamples,
  parseStatement,
  prepareStatement,
  resolveUsage,
  type StatementUsage,
  type WorkloadStatement,
} from '../statements/index.ts';
import type { PlannedStatement } from './planned-statement.ts';
import type { UnansweredStatement } from './result.ts';

export interface ReadWorkload {
  statements: ParsedWorkload[];
  unanswered: UnansweredStatement[];
  /** Every table that a statement mentions. */
  tables: CatalogTable[];
}

export interface ParsedWorkload {
  workload: WorkloadStatement;
  parsed: ParsedStatement;
  usage: StatementUsage;
}

/** Parses and resolves; templates that occur twice become one. */
export async function readWorkload(workload: readonly WorkloadStatement[], catalog: Catalog): Promise<ReadWorkload> {
  const statements: ParsedWorkload[] = [];
  const unanswered: UnansweredStatement[] = [];
  for (const each of withoutDoubles(workload)) {
    try {
      const parsed = await parseStatement(each.text);
      if (parsed.kind === 'utility') {
        unanswered.push({ fingerprint: each.fingerprint, kind: 'utility', why: 'It is a command, and has no plan.' });
        continue;
      }
      const usage = resolveUsage(parsed, catalog, each.parameters);
      if (usage.unknownTables.length > 0 && usage.relations.length === 0) {
        const why = `It reads ${usage.unknownTables.join(', ')}, which this database does not have any more.`;
        unanswered.push({ fingerprint: each.fingerprint, kind: 'not-explained', why });
        continue;
      }
      statements.push({ workload: each, parsed, usage });
    } catch (thrown) {
      const { message } = toOpsError(thrown);
      unanswered.push({ fingerprint: each.fingerprint, kind: 'not-parsed', why: message });
    }
  }
  const tables = [
    ...new Set(
      statements.flatMap(({ usage }) => [
        ...usage.relations.map(relation => relation.table),
        ...usage.written.map(each => each.table),
      ]),
    ),
  ];
  return { statements, unanswered, tables };
}

function withoutDoubles(workload: readonly WorkloadStatement[]): WorkloadStatement[] {
  const found = new Map<string, WorkloadStatement>();
  for (const each of workload) {
    const key = `${each.fingerprint}\0${each.text}`;
    const other = found.get(key);
    found.set(
      key,
      other
        ? {
            ...other,
            queryIds: [...other.queryIds, ...each.queryIds],
            calls: other.calls + each.calls,
            totalMs: other.totalMs + each.totalMs,
            rows: other.rows + each.rows,
          }
        : each,
    );
  }
  // In an order that does not depend on how long they took this time: of two answers that are alike the first is given.
  return [...found.values()].sort((a, b) => (a.text < b.text ? -1 : a.text > b.text ? 1 : 0));
}

/** Gives each statement values for its parameters, as the types that the server infers ask for them. */
export async function planWorkload(
  client: pg.Client,
  read: readonly ParsedWorkload[],
  statistics: Statistics,
): Promise<{ planned: PlannedStatement[]; unanswered: UnansweredStatement[] }> {
  const planned: PlannedStatement[] = [];
  const unanswered: UnansweredStatement[] = [];
  for (const [id, each] of read.entries()) {
    try {
      const { types } = await prepareStatement(client, each.parsed);
      const samples = parameterSamples(each.usage, types, statistics, each.workload.parameters);
      planned.push({ id, ...each, samples });
    } catch (thrown) {
      const error = toOpsError(thrown);
      if (error.code !== 'SQL_REFUSED') throw thrown;
      unanswered.push({ fingerprint: each.workload.fingerprint, kind: 'not-explained', why: error.message });
    }
  }
  return { planned, unanswered };
}
