import { formatBytes, formatCount } from '../../../log/index.ts';
import { quoteIdent, quoteQualified } from '../../../postgres/index.ts';
import { type PlanNode, planNodes } from '../../statements/index.ts';
import { redactStatement } from '../../workload/index.ts';

/** What in a plan costs, and what to do about it. */
export interface PlanFinding {
  kind: 'sequential scan' | 'sort' | 'hash' | 'nested loop' | 'row estimate' | 'statistics';
  message: string;
  suggestion: string;
  /** Statements that mend it; none where the advice is proved by `ops database advise`. */
  mend: string[];
}

export interface PlanContext {
  tables: ReadonlyMap<string, { rows: number; isAnalysed: boolean }>;
  workMemBytes: number;
  hashMemBytes: number;
  /** Tables from this size on are expected to be read by an index. */
  sequentialRows: number;
  /** As counted; null for what returns none of its own. */
  rowsPerCall: number | null;
  tempBytesPerCall: number;
}

/** Key of `PlanContext.tables`. */
export function tableKey(schema: string, name: string): string {
  return `${schema}\u0000${name}`;
}

/** The costly parts of a plan that was not executed: by its estimates, and by what was counted of the statement. */
export function readPlan(plan: PlanNode, context: PlanContext): PlanFinding[] {
  const nodes = planNodes(plan);
  return [
    ...nodes.flatMap(node => statistics(node, context)),
    ...nodes.flatMap(node => sequentialScan(node, context)),
    ...nodes.flatMap(node => nestedLoop(node, context)),
    ...spills(nodes, context),
    ...rowEstimate(plan, context),
  ].filter(isFirst);
}

function isFirst(finding: PlanFinding, index: number, all: readonly PlanFinding[]): boolean {
  return all.findIndex(other => other.message === finding.message) === index;
}

function tableOf(node: PlanNode, { tables }: PlanContext) {
  const name = node['Relation Name'];
  if (name === undefined || node.Schema === undefined) return undefined;
  const facts = tables.get(tableKey(node.Schema, name));
  return facts && { ...facts, name: quoteQualified(node.Schema, name) };
}

function statistics(node: PlanNode, context: PlanContext): PlanFinding[] {
  const table = tableOf(node, context);
  if (!table || table.isAnalysed || table.rows === 0) return [];
  return [
    {
      kind: 'statistics',
      message: `${table.name} has no statistics: the planner guesses how many rows there are`,
      suggestion: 'Analyse it',
      mend: [`ANALYZE ${table.name};`],
    },
  ];
}

/** A filter that keeps this share or more is served by no index. */
const keptRatio = 0.2;

function sequentialScan(node: PlanNode, context: PlanContext): PlanFinding[] {
  const table = tableOf(node, context);
  const filter = node.Filter;
  if (!table || node['Node Type'] !== 'Seq Scan' || typeof filter !== 'string') return [];
  const kept = node['Plan Rows'];
  if (table.rows < context.sequentialRows || kept > table.rows * keptRatio) return [];
  return [
    {
      kind: 'sequential scan',
      message: `${table.name} is read from end to end, ${formatCount(table.rows)} rows to keep about ${formatCount(kept)}, by ${redactStatement(filter, 300)}`,
      suggestion: 'An index for this condition: ops database advise finds the one for the whole workload and proves it',
      mend: [],
    },
  ];
}

const manyComparisons = 10_000_000;

/** For each row from outside the whole inside is read again, unless an index finds it. */
function nestedLoop(node: PlanNode, context: PlanContext): PlanFinding[] {
  if (node['Node Type'] !== 'Nested Loop') return [];
  const [outer, inner] = node.Plans ?? [];
  if (!outer || !inner) return [];
  const scanned = planNodes(inner).find(
    each => each['Node Type'] === 'Seq Scan' && (tableOf(each, context)?.rows ?? 0) > 0,
  );
  const table = scanned && tableOf(scanned, context);
  if (!table || outer['Plan Rows'] * table.rows < manyComparisons) return [];
  return [
    {
      kind: 'nested loop',
      message: `${formatCount(table.rows)} rows of ${table.name} are looked through for each of about ${formatCount(outer['Plan Rows'])} rows`,
      suggestion: 'An index on the columns that join it, or a condition that both sides can be hashed by (=)',
      mend: [],
    },
  ];
}

function spills(nodes: readonly PlanNode[], context: PlanContext): PlanFinding[] {
  const counted = context.tempBytesPerCall;
  const found = nodes.flatMap((node): PlanFinding[] => {
    const type = node['Node Type'];
    const isSort = type === 'Sort' || type === 'Incremental Sort';
    const isHash = type === 'Hash' || (type === 'Aggregate' && node.Strategy === 'Hashed');
    if (!isSort && !isHash) return [];
    // Width is that of the values; each row in memory has a header beside it.
    const bytes = node['Plan Rows'] * (node['Plan Width'] + 24);
    const room = isSort ? context.workMemBytes : context.hashMemBytes;
    if (bytes <= room && counted === 0) return [];
    if (bytes <= room && bytes < counted / 10) return [];
    const keys = Array.isArray(node['Sort Key']) ? ` by ${redactStatement(node['Sort Key'].join(', '), 300)}` : '';
    const spilled = counted > 0 ? `; ${formatBytes(counted)} a call went to temporary files` : '';
    const suggested = Math.ceil((Math.max(bytes, counted) * 1.5) / 1024 ** 2);
    return [
      {
        kind: isSort ? 'sort' : 'hash',
        message: `${isSort ? `A sort${keys}` : 'A hash table'} of about ${formatCount(node['Plan Rows'])} rows, ${formatBytes(bytes)}, beside ${formatBytes(room)} of ${isSort ? 'work_mem' : 'work_mem × hash_mem_multiplier'}${spilled}`,
        suggestion: isSort
          ? `An index in this order, or SET LOCAL work_mem = '${suggested}MB' in the transactions that run it`
          : `SET LOCAL work_mem = '${suggested}MB' in the transactions that run it, or fewer columns`,
        mend: [],
      },
    ];
  });
  return found.slice(0, 3);
}

const estimateFactor = 10;
const estimateRows = 1000;

/** What the server counted, beside what the planner expects. Where a LIMIT cuts, the plan says nothing of the rows below. */
function rowEstimate(plan: PlanNode, context: PlanContext): PlanFinding[] {
  const actual = context.rowsPerCall;
  if (actual === null || plan['Node Type'] === 'Limit' || plan['Node Type'] === 'ModifyTable') return [];
  const expected = Math.max(1, plan['Plan Rows']);
  const factor = Math.max(actual, 1) / expected;
  if (Math.max(actual, expected) < estimateRows || (factor < estimateFactor && factor > 1 / estimateFactor)) return [];
  return [
    {
      kind: 'row estimate',
      message: `${formatCount(expected)} rows are expected, and ${formatCount(Math.round(actual))} come: the plan is made for another amount`,
      suggestion: 'Analyse the tables; conditions on columns that depend on each other need extended statistics',
      mend: analyses(plan),
    },
  ];
}

/** Extended statistics for the columns of a scan's own condition, when there are several. */
function analyses(plan: PlanNode): string[] {
  return planNodes(plan).flatMap(node => {
    const name = node['Relation Name'];
    if (name === undefined || node.Schema === undefined) return [];
    const table = quoteQualified(node.Schema, name);
    const conditions = [node.Filter, node['Index Cond'], node['Recheck Cond']].filter(text => typeof text === 'string');
    const columns = columnsIn(conditions.join(' AND '), String(node.Alias ?? name));
    const extended =
      columns.length < 2
        ? []
        : [
            `CREATE STATISTICS ${quoteIdent(`${name.slice(0, 55)}_stats`)} ON ${columns.slice(0, 4).map(quoteIdent).join(', ')} FROM ${table};`,
          ];
    return [...extended, `ANALYZE ${table};`];
  });
}

/** `(o.status = $1)`: VERBOSE writes every column with its table, quoted where it must be. */
function columnsIn(condition: string, alias: string): string[] {
  const names = [alias, quoteIdent(alias)].map(name => RegExp.escape(name)).join('|');
  const pattern = new RegExp(`(?<![\\w."])(?:${names})\\.("(?:[^"]|"")+"|[\\w$]+)`, 'g');
  const found = [...condition.matchAll(pattern)].map(([, column]) =>
    column!.startsWith('"') ? column!.slice(1, -1).replaceAll('""', '"') : column!,
  );
  return [...new Set(found)];
}
