import type { ColumnStatistics, Statistics } from '../catalog/index.ts';
import type { ParameterUse, StatementUsage } from './usage.ts';

/** How much a search lets through: one word or one member, several of them together, or all rows of a popular value. */
type Breadth = 'usual' | 'narrow' | 'wide';

/**
 * A value for each parameter: the known one, else one from the statistics of the column it is compared with, such that
 * it is as selective as an average value; else one that its type can read.
 * @param types of `$1`, `$2` … as PREPARE inferred them: `integer`, `text[]`
 */
export function parameterValues(
  usage: Pick<StatementUsage, 'parameters'>,
  types: readonly string[],
  statistics: Statistics,
  known: readonly (string | null)[] = [],
  breadth: Breadth = 'usual',
): (string | null)[] {
  const uses = new Map(usage.parameters.map(use => [use.number, use]));
  return types.map((type, n) => {
    const given = known[n];
    if (given !== undefined) return given;
    const use = uses.get(n + 1) ?? { number: n + 1, role: 'other' };
    const value = valueFor(use, type, statistics, isBetween(use, usage.parameters), breadth);
    return isReadable(value, type) ? value : defaultOf(type);
  });
}

/**
 * The same for a usual search, a narrow and a wide one, where these differ. People search for one word as well as for a
 * whole name, and what serves the one best (reading in order until enough is found) may be the worst for the other. And
 * what many rows belong to is asked for more often than the average: a customer who orders much also looks at it.
 */
export function parameterSamples(
  usage: Pick<StatementUsage, 'parameters'>,
  types: readonly string[],
  statistics: Statistics,
  known: readonly (string | null)[] = [],
): (string | null)[][] {
  const all = (['usual', 'narrow', 'wide'] as const).map(breadth =>
    parameterValues(usage, types, statistics, known, breadth),
  );
  return [...new Map(all.map(values => [JSON.stringify(values), values])).values()];
}

/** Whether the column is bounded from both sides: the two values must then leave something between them. */
function isBetween(use: ParameterUse, all: readonly ParameterUse[]): boolean {
  const opposite = use.role === 'lower-bound' ? 'upper-bound' : 'lower-bound';
  return all.some(each => each.role === opposite && each.table === use.table && each.column === use.column);
}

function valueFor(use: ParameterUse, type: string, statistics: Statistics, isPair: boolean, breadth: Breadth): string {
  const column = use.table && use.column !== undefined ? statistics.of(use.table, use.column) : undefined;
  const typical = column ? typicalValue(column) : undefined;
  switch (use.role) {
    case 'equal':
      return (breadth === 'wide' && column ? popularValue(column) : undefined) ?? typical ?? defaultOf(type);
    case 'assigned':
      return typical ?? defaultOf(type);
    case 'in':
      return type.endsWith('[]') ? arrayOf(typicalValues(column, 3), type) : (typical ?? defaultOf(type));
    case 'lower-bound':
      return (column && boundAt(column, isPair ? 0.9 : 0.95)) ?? defaultOf(type);
    case 'upper-bound':
      return (column && boundAt(column, isPair ? 0.95 : 0.05)) ?? defaultOf(type);
    case 'pattern':
      return `%${fragmentOf(column, breadth)}%`;
    case 'fragment':
    case 'regular-expression':
      return fragmentOf(column, breadth);
    case 'contains':
      return containedValue(column, type, breadth);
    case 'has-key':
      return column?.commonElements.at(breadth === 'narrow' ? -1 : 0)?.value ?? typical ?? 'key';
    case 'words':
      return type === 'tsquery' || type === 'text' ? wordsOf(column, type, breadth) : defaultOf(type);
    case 'text-search-configuration':
      return 'simple';
    case 'date-part':
      return 'day';
    case 'json-path':
      return '$.key';
    case 'limit':
      return '20';
    case 'offset':
      return '0';
    case 'other':
      return typical ?? defaultOf(type);
  }
}

/** What more than this share of the rows holds is everywhere: a search for it reads the table, whatever indexes there are. */
const everywhere = 0.5;

/**
 * The value whose share of the rows is nearest to the average: neither the one that is everywhere nor a rare one. With few
 * values the average itself is large, so what most rows hold is left out of it, unless it is all that there is.
 */
export function typicalValue(column: ColumnStatistics): string | undefined {
  const { commonValues, histogram, distinct, nullFraction } = column;
  const inCommon = commonValues.reduce((sum, each) => sum + each.frequency, 0);
  // Most rows hold rare values: any of them is as good as another.
  if (histogram.length > 2 && inCommon < 0.5) return histogram[Math.floor(histogram.length / 2)];
  const [most] = commonValues.filter(({ frequency }) => frequency > everywhere * (1 - nullFraction));
  const others = most ? commonValues.filter(each => each !== most) : commonValues;
  const rows = 1 - nullFraction - (most?.frequency ?? 0);
  const average = rows / Math.max(1, distinct - (most ? 1 : 0));
  const distance = ({ frequency }: { frequency: number }) => Math.abs(Math.log(frequency / average));
  const [nearest] = [...others].sort((a, b) => distance(a) - distance(b));
  return nearest?.value ?? histogram[Math.floor(histogram.length / 2)] ?? most?.value;
}

/** So many times the average, below which a value is no exception. */
const popular = 4;

/**
 * Of a column with many values the one in the middle of those that are counted, by rows. Not of a column with a few: the
 * state that most rows are in is the one that nobody asks for.
 */
function popularValue({ commonValues, distinct, nullFraction }: ColumnStatistics): string | undefined {
  const listed = commonValues.reduce((sum, each) => sum + each.frequency, 0);
  if (listed >= 0.5) return undefined;
  let rows = 0;
  const middle = commonValues.find(each => {
    rows += each.frequency;
    return rows >= listed / 2;
  });
  return middle && middle.frequency * distinct >= popular * (1 - nullFraction) ? middle.value : undefined;
}

function typicalValues(column: ColumnStatistics | undefined, count: number): string[] {
  if (!column) return [];
  const { histogram, commonValues } = column;
  const all = histogram.length > count ? histogram : commonValues.map(each => each.value);
  const step = Math.max(1, Math.floor(all.length / (count + 1)));
  return Array.from({ length: Math.min(count, all.length) }, (_, n) => all[Math.min(all.length - 1, (n + 1) * step)]!);
}

/** The value below which this share of the rows lies. */
function boundAt(column: ColumnStatistics, share: number): string | undefined {
  const { histogram, commonValues } = column;
  if (histogram.length > 0)
    return histogram[Math.min(histogram.length - 1, Math.round(share * (histogram.length - 1)))];
  const sorted = [...commonValues].sort((a, b) => compareValues(a.value, b.value));
  let below = share * commonValues.reduce((sum, each) => sum + each.frequency, 0);
  const bound = sorted.find(({ frequency }) => {
    below -= frequency;
    return below < -1e-6;
  });
  return (bound ?? sorted.at(-1))?.value;
}

/** As their type orders them, of which only numbers differ from their text: 9 is before 10. */
function compareValues(a: string, b: string): number {
  const difference = Number(a) - Number(b);
  if (a.trim() !== '' && b.trim() !== '' && !Number.isNaN(difference)) return difference;
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Nobody types more of a name than this. */
const narrowCharacters = 24;

/** A few letters from the middle of a value, as somebody would search for; narrow: several words that stand nowhere else. */
function fragmentOf(column: ColumnStatistics | undefined, breadth: Breadth): string {
  const value = (column && typicalValue(column)) ?? '';
  const words = value.match(/[\p{L}\p{N}]{4,}/gu) ?? [];
  const longest = [...words].sort((a, b) => b.length - a.length)[0];
  if (!column || !longest) return 'abcd';
  if (breadth !== 'narrow') return [...longest].slice(0, 6).join('');
  // Only what means itself in LIKE as well as in a regular expression.
  const runs = value.match(/[\p{L}\p{N} ,]{4,}/gu) ?? [];
  const run = runs.find(each => each.includes(longest)) ?? longest;
  return unlisted([...run.trim()].slice(0, narrowCharacters).join('').trimEnd(), column);
}

/**
 * Made longer until the statistics do not hold it: a value that is taken out of a histogram of a hundred is a hundredth of
 * the table to the planner, however rare it is.
 */
function unlisted(fragment: string, { histogram, commonValues }: ColumnStatistics): string {
  const listed = [...histogram, ...commonValues.map(each => each.value)].map(each => each.toLowerCase());
  const longer = [...'etnsraiou'].map(letter => fragment + letter);
  return longer.find(each => !listed.some(value => value.includes(each.toLowerCase()))) ?? fragment;
}

/** Words that occur: of those that are counted the one in the middle; narrow: together with the rarest. */
function wordsOf(column: ColumnStatistics | undefined, type: string, breadth: Breadth): string {
  const elements = (column?.commonElements ?? []).map(each => each.value).filter(each => /^[\p{L}\p{N}]+$/u.test(each));
  const usual = elements[elements.length >> 1];
  if (usual === undefined) return 'word';
  const rarest = elements.at(-1)!;
  return breadth !== 'narrow' || rarest === usual ? usual : [usual, rarest].join(type === 'tsquery' ? ' & ' : ' ');
}

function containedValue(column: ColumnStatistics | undefined, type: string, breadth: Breadth): string {
  if (type === 'jsonb') {
    const value = column ? typicalValue(column) : undefined;
    if (!column || value === undefined) return '{"key": "value"}';
    return (breadth === 'narrow' ? membersOfTwo(value, column) : firstMember(value)) ?? '{"key": "value"}';
  }
  const elements = column?.commonElements ?? [];
  const element = elements[breadth === 'narrow' ? elements.length - 1 : Math.floor(elements.length / 2)]?.value;
  if (type.endsWith('[]')) return arrayOf(element === undefined ? [] : [element], type);
  return (column && typicalValue(column)) ?? defaultOf(type);
}

/** `{"a": 1, "b": 2}` asks for one member, as a containment usually does. */
function firstMember(json: string): string | undefined {
  const entries = entriesOf(json);
  if (!entries) return isJson(json) ? json : undefined;
  return entries[0] ? JSON.stringify(Object.fromEntries([entries[0]])) : json;
}

/** One member of this document and another of another one: together in few, and in none that the statistics hold. */
function membersOfTwo(json: string, { histogram, commonValues }: ColumnStatistics): string | undefined {
  const [first] = entriesOf(json) ?? [];
  const listed = [...histogram, ...commonValues.map(each => each.value)].flatMap(each => {
    const entries = entriesOf(each);
    return entries ? [new Map(entries.map(([key, value]) => [key, JSON.stringify(value)]))] : [];
  });
  if (!first) return firstMember(json);
  const beside = listed.filter(document => document.get(first[0]) === JSON.stringify(first[1]));
  const isListed = (key: string, value: string) => beside.some(document => document.get(key) === value);
  for (const document of listed) {
    for (const [key, value] of document) {
      if (key !== first[0] && value !== 'null' && !isListed(key, value))
        return JSON.stringify(Object.fromEntries([first, [key, JSON.parse(value)]]));
    }
  }
  return firstMember(json);
}

function entriesOf(json: string): [string, unknown][] | undefined {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(value) : undefined;
  } catch {
    return undefined;
  }
}

export function arrayOf(values: readonly string[], type: string): string {
  const items = values.length > 0 ? values : [defaultOf(type.replace(/\[\]$/, ''))];
  return `{${items.map(item => `"${item.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`).join(',')}}`;
}

/** Whether the type would read the value; only for types whose text has a form that is easily broken. */
function isReadable(value: string, type: string): boolean {
  switch (type) {
    case 'smallint':
    case 'integer':
    case 'bigint':
      return /^-?\d{1,18}$/.test(value);
    case 'numeric':
    case 'real':
    case 'double precision':
      return /^-?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(value);
    case 'uuid':
      return /^[0-9a-f-]{36}$/i.test(value);
    case 'boolean':
      return /^(t|f|true|false)$/.test(value);
    case 'json':
    case 'jsonb':
      return isJson(value);
    case 'interval':
      return /\d/.test(value) && !/%/.test(value);
    default:
      return /^(date|timestamp|time)/.test(type)
        ? /^(\d|now|-?infinity)/.test(value)
        : !type.endsWith('[]') || /^\{.*\}$/s.test(value);
  }
}

function isJson(value: string): boolean {
  try {
    JSON.parse(value);
    return true;
  } catch {
    return false;
  }
}

/** Something that the type's input function takes. */
export function defaultOf(type: string): string {
  if (type.endsWith('[]')) return arrayOf([], type);
  if (/^(smallint|integer|bigint|numeric|real|double precision|oid|money)/.test(type)) return '1';
  if (/^(character|text|name|citext)/.test(type)) return 'a';
  if (/^timestamp/.test(type)) return '2025-06-15 12:00:00';
  if (/^time\b/.test(type)) return '12:00:00';
  switch (type) {
    case 'boolean':
      return 'true';
    case 'date':
      return '2025-06-15';
    case 'interval':
      return '1 day';
    case 'uuid':
      return '00000000-0000-4000-8000-000000000000';
    case 'json':
    case 'jsonb':
      return '{}';
    case 'inet':
    case 'cidr':
      return '10.0.0.0/8';
    case 'tsquery':
    case 'tsvector':
      return 'word';
    case 'bytea':
      return '\\x00';
    case 'jsonpath':
      return '$.key';
    case 'regconfig':
      return 'simple';
    default:
      return /range$/.test(type) ? 'empty' : '1';
  }
}
