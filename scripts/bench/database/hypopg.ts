import {
  advise,
  type Catalog,
  findHypopg,
  parseStatement,
  readCatalog,
  type WorkloadStatement,
} from '../../../actions/lib/database/advisor.ts';
import { quoteIdent, quoteQualified } from '../../../actions/lib/postgres/index.ts';
import type { Result } from '../results.ts';
import { type BenchStage, say } from './stage.ts';

const count = 100;

/** Advice for a hundred statements by HypoPG, with a planner copy beside it for what HypoPG does not know. */
export async function benchHypopg({ client, target, statements }: BenchStage): Promise<Result[]> {
  await client.query('CREATE EXTENSION IF NOT EXISTS hypopg').catch(thrown => {
    throw new Error(`HypoPG is not installed for this server: ${thrown.message}`);
  });
  const { version } = (await findHypopg(client))!;
  const workload = statements.map(each => each.workload);
  const more = await backOffice(await readCatalog(client), Math.max(0, count - workload.length));
  const all = [...workload, ...more].slice(0, count);
  const startedAt = performance.now();
  const advice = await advise({ client, target, statements: all, evaluator: 'hypopg' });
  const seconds = (performance.now() - startedAt) / 1000;
  say(`HypoPG ${version}: ${advice.chosen.length} indexes for ${all.length} statements; ${advice.notes.join('; ')}`);
  await client.query('DROP EXTENSION hypopg');
  return [
    {
      name: `advise for ${all.length} statements, HypoPG`,
      value: seconds,
      target: 60,
      unit: 's',
      detail: `${advice.whatIfCalls} plans, ${advice.usefulCandidates} useful candidates of ${advice.candidates}, ${advice.chosen.length} chosen`,
    },
  ];
}

/** Lists of a back office: any table, found by one column and sorted by another. */
async function backOffice(catalog: Catalog, wanted: number): Promise<WorkloadStatement[]> {
  const found: WorkloadStatement[] = [];
  const tables = catalog.tables.filter(
    table => table.kind === 'table' && table.parentOid === undefined && table.rows > 1000,
  );
  for (let round = 0; found.length < wanted; round++) {
    for (const table of tables.slice(0, wanted - found.length)) {
      const columns = table.columns.filter(column => column.isSortable);
      const [by, sorted] = [columns[round % columns.length]!, columns[(round * 3 + 1) % columns.length]!];
      const name = quoteQualified(table.schema, table.name);
      const text = `SELECT * FROM ${name} WHERE ${quoteIdent(by.name)} = $1 ORDER BY ${quoteIdent(sorted.name)} DESC LIMIT ${25 + round}`;
      const { fingerprint } = await parseStatement(text);
      found.push({ fingerprint, text, queryIds: [], calls: 40, totalMs: 400, rows: 400 });
    }
  }
  return found;
}
