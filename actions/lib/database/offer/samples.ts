import { quoteIdent, quoteQualified } from '../../postgres/index.ts';
import type { Catalog, CatalogTable, Statistics } from '../catalog/index.ts';
import type { CopySession, ProvableStatement, Values } from '../prove/index.ts';
import {
  type ParameterUse,
  parameterSamples,
  parseStatement,
  resolveUsage,
  type WorkloadStatement,
} from '../statements/index.ts';

/** Real rows that values are taken from, beside the sets of values from the statistics. */
const rowsPerStatement = 2;

/**
 * The workload with values to run it with: the real ones where they are known; else what the statistics call typical, and
 * those of real rows of the copy, taken together from one row, so that what belongs together is found together. A statement
 * that the parser does not take has no values, and is left out.
 */
export async function provableStatements(
  session: CopySession,
  workload: readonly WorkloadStatement[],
  catalog: Catalog,
  statistics: Statistics,
): Promise<ProvableStatement[]> {
  const provable: ProvableStatement[] = [];
  for (const each of workload) {
    const statement = await parseStatement(each.text).catch(() => undefined);
    if (!statement) continue;
    const common = { statement, calls: each.calls, totalMs: each.totalMs };
    const prepared = await session.prepare(statement);
    if ('why' in prepared) {
      provable.push({ ...common, samples: [], parameters: 'none' });
    } else if (prepared.types.length === 0) {
      provable.push({ ...common, samples: [[]], parameters: 'none' });
    } else if (each.parameters && each.parameters.length >= prepared.types.length) {
      provable.push({ ...common, samples: [each.parameters], parameters: 'real' });
    } else {
      const usage = resolveUsage(statement, catalog, each.parameters);
      const typical = parameterSamples(usage, prepared.types, statistics, each.parameters);
      const rows = await valuesOfRows(session, usage.parameters, prepared.types, typical[0]!, each.parameters ?? []);
      provable.push({ ...common, samples: distinct([...typical, ...rows]), parameters: 'sampled' });
    }
  }
  return provable;
}

async function valuesOfRows(
  session: CopySession,
  uses: readonly ParameterUse[],
  types: readonly string[],
  typical: Values,
  known: Values,
): Promise<Values[]> {
  const byTable = new Map<CatalogTable, ParameterUse[]>();
  for (const use of uses) {
    if (!use.table || use.column === undefined || (use.role !== 'equal' && use.role !== 'in')) continue;
    if (known[use.number - 1] !== undefined || (use.table.kind !== 'table' && use.table.kind !== 'partitioned'))
      continue;
    byTable.set(use.table, [...(byTable.get(use.table) ?? []), use]);
  }
  const samples = Array.from({ length: rowsPerStatement }, () => [...typical]);
  for (const [table, own] of byTable) {
    const rows = await rowsOf(session, table, [...new Set(own.map(use => use.column!))]);
    for (const [n, sample] of samples.entries()) {
      const row = rows[n];
      if (!row) continue;
      for (const use of own) {
        const value = row[use.column!];
        if (value === null || value === undefined) continue;
        const isArray = types[use.number - 1]?.endsWith('[]') && use.role === 'in';
        sample[use.number - 1] = isArray ? `{"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"}` : value;
      }
    }
  }
  return samples;
}

/** By chance, and the same each time. */
async function rowsOf(
  session: CopySession,
  table: CatalogTable,
  columns: readonly string[],
): Promise<Record<string, string | null>[]> {
  const percent = table.rows > 2000 ? Math.min(100, 100_000 / table.rows) : 100;
  const list = columns.map(column => `${quoteIdent(column)}::text AS ${quoteIdent(column)}`).join(', ');
  return session.query(
    `SELECT ${list} FROM ${quoteQualified(table.schema, table.name)} TABLESAMPLE BERNOULLI (${percent}) REPEATABLE (7) LIMIT ${rowsPerStatement}`,
  );
}

function distinct(samples: readonly Values[]): Values[] {
  return [...new Map(samples.map(values => [JSON.stringify(values), values])).values()];
}
