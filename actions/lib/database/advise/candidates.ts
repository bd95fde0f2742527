import type { CatalogColumn, CatalogTable, ColumnStatistics, Statistics } from '../catalog/index.ts';
import type { IndexKey } from '../indexes/index.ts';
import {
  columnsOf,
  isSameSubject,
  type OrderUse,
  type Predicate,
  type RelationUse,
  type StatementUsage,
  type Subject,
} from '../statements/index.ts';
import { type Candidate, candidateOf, keyName, keyOf } from './candidate.ts';
import { ginCandidates } from './gin-candidates.ts';
import type { TrigramSupport } from './trigrams.ts';

export interface CandidateContext {
  statistics: Statistics;
  trigrams: TrigramSupport;
  /** How many statements ask for this subject by equality: columns that many share come first. */
  sharing: (table: CatalogTable, subject: Subject) => number;
}

/** A table that fits into so few pages is read as a whole just as fast. */
const smallestPages = 8;
const largestKeys = 5;
/** A partial index must leave out most of the table, or it is a plain one with a condition. */
const selectiveShare = 0.34;
/** `status = 'open'` is a rule of the business; `org = 31` is one of many values that happened to be written out. */
const mostStates = 24;
const brinCorrelation = 0.95;
const brinPages = 1024;

/**
 * Indexes that the statement could use, from its syntax and the statistics alone; whether the planner would use them is
 * for the evaluator to say. B-tree keys: equality first, then the order that is asked for, then a range.
 */
export function candidatesFor(usage: StatementUsage, context: CandidateContext): Candidate[] {
  const found = new Map<string, Candidate>();
  for (const relation of usage.relations) {
    if (!isIndexable(relation.table)) continue;
    for (const candidate of relationCandidates(relation, context)) {
      if (!found.has(candidate.id)) found.set(candidate.id, candidate);
    }
  }
  return [...found.values()];
}

export function isIndexable(table: CatalogTable): boolean {
  return ['table', 'partitioned', 'materialized view'].includes(table.kind) && table.pages >= smallestPages;
}

function relationCandidates(relation: RelationUse, context: CandidateContext): Candidate[] {
  const sets = [
    relation.predicates,
    ...relation.branches.map(branch => [...relation.predicates, ...branch]),
    ...relation.branches,
  ];
  return [
    ...sets.flatMap((predicates, n) => btreeCandidates(relation, predicates, context, n === 0)),
    ...sets.flatMap(predicates => brinCandidates(relation.table, predicates, context)),
    ...sets.flatMap(predicates => ginCandidates(relation.table, predicates, context.trigrams)),
  ];
}

interface Ask {
  equal: Subject[];
  joins: Subject[];
  ranges: { subject: Subject; opclass?: string }[];
  orders: OrderUse[];
  groups: Subject[][];
}

function btreeCandidates(
  relation: RelationUse,
  predicates: readonly Predicate[],
  context: CandidateContext,
  isWhole: boolean,
): Candidate[] {
  const { table } = relation;
  const ask = askOf(relation, predicates, isWhole);
  const found: Candidate[] = [];
  const add = (keys: readonly IndexKey[], purpose: string, where?: string) => {
    const unique = keys.filter((key, n) => keys.findIndex(each => keyName(each) === keyName(key)) === n);
    if (unique.length === 0 || unique.length > largestKeys) return;
    found.push(
      candidateOf(
        table,
        { method: 'btree', keys: unique, include: [], ...(where === undefined ? {} : { where }) },
        purpose,
      ),
    );
  };
  const partial = partialCondition(table, predicates, context.statistics);
  for (const lead of leads(ask, table, context)) {
    for (const tail of tails(ask, lead)) {
      const keys = [...lead.map(subject => keyOf(subject)), ...tail.keys];
      add(keys, purposeOf(lead, tail.purpose));
      if (!partial) continue;
      const rest = keys.filter(key => !partial.subjects.some(subject => keyName(keyOf(subject)) === keyName(key)));
      add(rest.length > 0 ? rest : keys, `${purposeOf(lead, tail.purpose)}, only where ${partial.sql}`, partial.sql);
    }
  }
  return found;
}

function askOf(relation: RelationUse, predicates: readonly Predicate[], isWhole: boolean): Ask {
  const { table } = relation;
  const equal: Subject[] = [];
  const several: Subject[] = [];
  const ranges: Ask['ranges'] = [];
  for (const predicate of predicates) {
    const { subject } = predicate;
    if (!isSortable(subject, table)) continue;
    switch (predicate.test) {
      case 'equal':
      case 'is-true':
      case 'is-false':
      case 'is-null':
        equal.push(subject);
        break;
      case 'in':
        several.push(subject);
        break;
      case 'range':
      case 'keyset':
        ranges.push({ subject });
        break;
      case 'pattern': {
        const shape = 'pattern' in predicate.operand ? predicate.operand.pattern : undefined;
        if (shape === 'infix' || !isPlainText(subject, table)) break;
        const opclass = patternOpclass(subject, table);
        ranges.push({ subject, ...(opclass === undefined ? {} : { opclass }) });
        break;
      }
      default:
    }
  }
  const joins = relation.joins
    .filter(join => join.operator === '=' && isSortable(join.subject, table))
    .map(join => join.subject);
  return {
    // Equality to one value keeps the order of what follows; equality to several does not, so they come later.
    equal: distinct([...equal, ...several]),
    joins: isWhole ? distinct(joins) : [],
    ranges: ranges.filter((each, n) => ranges.findIndex(other => isSameSubject(other.subject, each.subject)) === n),
    orders: isWhole ? relation.orders.filter(order => isReadable(order, table, predicates)) : [],
    groups: isWhole ? relation.groups.filter(group => group.every(subject => isSortable(subject, table))) : [],
  };
}

const searches: readonly Predicate['test'][] = ['pattern', 'pattern-any-case', 'regular-expression', 'similar'];

/**
 * Not in the order of what is searched in: what matches lies together there, at the beginning or at the end, and the planner,
 * which takes it to be spread evenly, would read on and on.
 */
function isReadable(order: OrderUse, table: CatalogTable, predicates: readonly Predicate[]): boolean {
  const [first] = order.keys;
  const isSearched = predicates.some(
    ({ subject, test }) => first && searches.includes(test) && isSameSubject(subject, first.subject),
  );
  return !isSearched && order.keys.every(key => isSortable(key.subject, table));
}

/** What the keys may begin with: the filters, the filters and a join, a join alone, parts of the filters. */
function leads(ask: Ask, table: CatalogTable, context: CandidateContext): Subject[][] {
  const bySelectivity = [...ask.equal].sort(
    (a, b) => distinctValues(b, table, context.statistics) - distinctValues(a, table, context.statistics),
  );
  const bySharing = [...ask.equal].sort((a, b) => context.sharing(table, b) - context.sharing(table, a));
  const lists: Subject[][] = [bySharing, bySelectivity];
  for (const join of ask.joins) {
    lists.push([join], [...bySharing, join], [join, ...bySelectivity]);
  }
  if (ask.joins.length > 1) lists.push(ask.joins);
  for (const [n, subject] of bySelectivity.entries()) {
    lists.push(
      [subject],
      bySelectivity.slice(0, n + 1),
      bySelectivity.filter(other => other !== subject),
    );
    for (const other of bySelectivity.slice(n + 1)) lists.push([subject, other]);
  }
  lists.push([]);
  const seen = new Set<string>();
  return lists
    .map(list => distinct(list))
    .filter(list => list.length < largestKeys)
    .filter(list => {
      const id = list.map(subject => keyName(keyOf(subject))).join('\0');
      return !seen.has(id) && seen.add(id);
    });
}

interface Tail {
  keys: IndexKey[];
  purpose: string;
}

function tails(ask: Ask, lead: readonly Subject[]): Tail[] {
  const isLead = (subject: Subject) => lead.some(each => isSameSubject(each, subject));
  const found: Tail[] = [];
  if (lead.length > 0) found.push({ keys: [], purpose: '' });
  const ranges = ask.ranges.filter(range => !isLead(range.subject));
  for (const range of ranges) {
    const name = keyName(keyOf(range.subject));
    found.push({ keys: [keyOf(range.subject, range)], purpose: `range of ${name}` });
  }
  for (const order of ask.orders) {
    const keys = order.keys.filter(key => !isLead(key.subject));
    if (keys.length === 0) continue;
    const sorted = keys.map(key => keyOf(key.subject, key));
    const purpose = `order by ${keys.map(key => keyName(keyOf(key.subject)) + (key.isDescending ? ' desc' : '')).join(', ')}`;
    found.push({ keys: sorted, purpose });
    // What a range leaves is read in order, and filtered inside of the index.
    for (const range of ranges) found.push({ keys: [...sorted, keyOf(range.subject, range)], purpose });
  }
  for (const group of ask.groups) {
    const keys = group.filter(subject => !isLead(subject));
    if (keys.length > 0) found.push({ keys: keys.map(subject => keyOf(subject)), purpose: 'groups in order' });
  }
  return found;
}

function purposeOf(lead: readonly Subject[], tail: string): string {
  const equality = lead.length > 0 ? `equality on ${lead.map(subject => keyName(keyOf(subject))).join(', ')}` : '';
  return [equality, tail].filter(Boolean).join(', then ');
}

/** Constants in the text that leave few rows: `status = 'open'`, `deleted_at IS NOT NULL`. */
function partialCondition(
  table: CatalogTable,
  predicates: readonly Predicate[],
  statistics: Statistics,
): { sql: string; subjects: Subject[] } | undefined {
  const selective = predicates.filter(predicate => {
    const share = shareOf(predicate, table, statistics);
    return (
      predicate.sql !== undefined &&
      share !== undefined &&
      share <= selectiveShare &&
      isState(predicate, table, statistics)
    );
  });
  if (selective.length === 0) return undefined;
  return { sql: selective.map(each => each.sql!).join(' AND '), subjects: selective.map(each => each.subject) };
}

function isState(predicate: Predicate, table: CatalogTable, statistics: Statistics): boolean {
  if (predicate.test !== 'equal' && predicate.test !== 'in') return true;
  return distinctValues(predicate.subject, table, statistics) <= mostStates;
}

/** The share of rows for which a condition on constants holds; undefined where the statistics do not say. */
export function shareOf(predicate: Predicate, table: CatalogTable, statistics: Statistics): number | undefined {
  if (predicate.subject.kind !== 'column') return undefined;
  const column = statistics.of(table, predicate.subject.column);
  if (!column) return undefined;
  switch (predicate.test) {
    case 'is-null':
      return column.nullFraction;
    case 'is-not-null':
      return 1 - column.nullFraction;
    case 'is-true':
      return frequencyOf(column, 't');
    case 'is-false':
      return frequencyOf(column, 'f');
    case 'equal':
      return predicate.operand.kind === 'constant' ? frequencyOf(column, predicate.operand.value) : undefined;
    case 'in': {
      if (predicate.operand.kind !== 'list') return undefined;
      const items = predicate.operand.items;
      if (!items.every(item => item.kind === 'constant')) return undefined;
      return items.reduce((sum, item) => sum + frequencyOf(column, item.value), 0);
    }
    default:
      return undefined;
  }
}

function frequencyOf(column: ColumnStatistics, value: string): number {
  const common = column.commonValues.find(each => each.value === value);
  if (common) return common.frequency;
  const rest = 1 - column.nullFraction - column.commonValues.reduce((sum, each) => sum + each.frequency, 0);
  return Math.max(0, rest) / Math.max(1, column.distinct - column.commonValues.length);
}

/** Rows that lie on disk in the order of the column: a range of values is a range of pages. */
function brinCandidates(table: CatalogTable, predicates: readonly Predicate[], context: CandidateContext): Candidate[] {
  if (table.pages < brinPages) return [];
  const columns = new Set(
    predicates.flatMap(({ subject, test }) => (test === 'range' && subject.kind === 'column' ? [subject.column] : [])),
  );
  return [...columns].flatMap(column => {
    const type = table.columns.find(each => each.name === column);
    const correlation = context.statistics.of(table, column)?.correlation;
    if (!type || !['N', 'D'].includes(type.category) || Math.abs(correlation ?? 0) < brinCorrelation) return [];
    const keys = [{ kind: 'column' as const, column }];
    return [
      candidateOf(table, { method: 'brin', keys, include: [] }, `range of ${column}, which follows the order on disk`),
    ];
  });
}

export function columnOf(subject: Subject, table: CatalogTable): CatalogColumn | undefined {
  return subject.kind === 'column' ? table.columns.find(each => each.name === subject.column) : undefined;
}

function isSortable(subject: Subject, table: CatalogTable): boolean {
  if (subject.kind === 'expression') return !/\bto_tsvector\s*\(/.test(subject.sql);
  const column = columnOf(subject, table);
  // Of jsonb, arrays and documents nobody asks for a whole value by order; their own operators are for GIN.
  return (column?.isSortable ?? false) && !['jsonb', 'tsvector'].includes(column?.baseType ?? '');
}

function isPlainText(subject: Subject, table: CatalogTable): boolean {
  if (subject.kind === 'expression') return /^(lower|upper)\(|->>/.test(subject.sql);
  return ['text', 'varchar', 'bpchar'].includes(columnOf(subject, table)?.baseType ?? '');
}

/** A prefix is a range of bytes: a collation that does not sort by bytes needs the operator class that does. */
function patternOpclass(subject: Subject, table: CatalogTable): string | undefined {
  const column = columnOf(subject, table);
  if (column?.isByteOrder) return undefined;
  return { varchar: 'varchar_pattern_ops', bpchar: 'bpchar_pattern_ops' }[column?.baseType ?? ''] ?? 'text_pattern_ops';
}

function distinctValues(subject: Subject, table: CatalogTable, statistics: Statistics): number {
  const known = columnsOf(subject).map(column => statistics.of(table, column)?.distinct ?? 0);
  return Math.max(0, ...known);
}

function distinct(subjects: readonly Subject[]): Subject[] {
  return subjects.filter((subject, n) => subjects.findIndex(each => isSameSubject(each, subject)) === n);
}

const largestCarried = 4;
const widestCarried = 96;

/**
 * The same index with all that the statement reads of the table carried along, so that the table itself is not visited.
 * Only where that is little.
 */
export function coveringCandidate(
  candidate: Candidate,
  usage: StatementUsage,
  statistics: Statistics,
): Candidate | undefined {
  const { definition, table } = candidate;
  if (definition.method !== 'btree' || definition.include.length > 0) return undefined;
  if (usage.relations.some(relation => relation.table === table && relation.isTarget)) return undefined;
  const relations = usage.relations.filter(relation => relation.table === table);
  const needed = new Set(relations.flatMap(relation => [...relation.columns]));
  for (const key of definition.keys) if (key.kind === 'column') needed.delete(key.column);
  if (needed.size === 0 || needed.size > largestCarried) return undefined;
  const include = table.columns.filter(column => needed.has(column.name)).map(column => column.name);
  const width = include.reduce((sum, column) => sum + (statistics.of(table, column)?.averageBytes ?? 32), 0);
  if (width > widestCarried) return undefined;
  const purpose = `${candidate.purpose}, and carries ${include.join(', ')}`;
  return candidateOf(table, { ...definition, include }, purpose);
}
