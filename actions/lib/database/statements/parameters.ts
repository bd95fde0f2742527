import type { ColumnStatistics, Statistics } from '../catalog/index.ts';
import type { ParameterUse, StatementUsage } from './usage.ts';

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
): (string | null)[] {
  const uses = new Map(usage.parameters.map(use => [use.number, use]));
  return types.map((type, n) => {
    const given = known[n];
    if (given !== undefined) return given;
    const use = uses.get(n + 1) ?? { number: n + 1, role: 'other' };
    const value = valueFor(use, type, statistics, isBetween(use, usage.parameters));
    return isReadable(value, type) ? value : defaultOf(type);
  });
}

/** Whether the column is bounded from both sides: the two values must then leave something between them. */
function isBetween(use: ParameterUse, all: readonly ParameterUse[]): boolean {
  const opposite = use.role === 'lower-bound' ? 'upper-bound' : 'lower-bound';
  return all.some(each => each.role === opposite && each.table === use.table && each.column === use.column);
}

function valueFor(use: ParameterUse, type: string, statistics: Statistics, isPair: boolean): string {
  const column = use.table && use.column !== undefined ? statistics.of(use.table, use.column) : undefined;
  const typical = column ? typicalValue(column) : undefined;
  switch (use.role) {
    case 'equal':
    case 'assigned':
      return typical ?? defaultOf(type);
    case 'in':
      return type.endsWith('[]') ? arrayOf(typicalValues(column, 3), type) : (typical ?? defaultOf(type));
    case 'lower-bound':
      return (column && boundAt(column, isPair ? 0.9 : 0.95)) ?? defaultOf(type);
    case 'upper-bound':
      return (column && boundAt(column, isPair ? 0.95 : 0.05)) ?? defaultOf(type);
    case 'pattern':
      return `%${fragmentOf(typical)}%`;
    case 'fragment':
    case 'regular-expression':
      return fragmentOf(typical);
    case 'contains':
      return containedValue(column, type);
    case 'has-key':
      return column?.commonElements[0]?.value ?? typical ?? 'key';
    case 'words':
      return type === 'tsquery' || type === 'text' ? 'word' : defaultOf(type);
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

/** The value whose share of the rows is nearest to the average: neither the one that is everywhere nor a rare one. */
export function typicalValue(column: ColumnStatistics): string | undefined {
  const { commonValues, histogram, distinct, nullFraction } = column;
  const average = (1 - nullFraction) / Math.max(1, distinct);
  const inCommon = commonValues.reduce((sum, each) => sum + each.frequency, 0);
  // Most rows hold rare values: any of them is as good as another.
  if (histogram.length > 2 && inCommon < 0.5) return histogram[Math.floor(histogram.length / 2)];
  const nearest = [...commonValues].sort(
    (a, b) => Math.abs(Math.log(a.frequency / average)) - Math.abs(Math.log(b.frequency / average)),
  );
  return nearest[0]?.value ?? histogram[Math.floor(histogram.length / 2)];
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
  const values = commonValues.map(each => each.value).sort();
  return values[Math.min(values.length - 1, Math.round(share * (values.length - 1)))];
}

/** A few letters from the middle of a value, as somebody would search for. */
function fragmentOf(value: string | undefined): string {
  const words = (value ?? '').match(/[\p{L}\p{N}]{4,}/gu) ?? [];
  const longest = [...words].sort((a, b) => b.length - a.length)[0];
  return longest ? [...longest].slice(0, 6).join('') : 'abcd';
}

function containedValue(column: ColumnStatistics | undefined, type: string): string {
  if (type === 'jsonb') {
    const value = column ? typicalValue(column) : undefined;
    return (value === undefined ? undefined : firstMember(value)) ?? '{"key": "value"}';
  }
  const elements = column?.commonElements ?? [];
  const element = elements[Math.floor(elements.length / 2)]?.value;
  if (type.endsWith('[]')) return arrayOf(element === undefined ? [] : [element], type);
  return (column && typicalValue(column)) ?? defaultOf(type);
}

/** `{"a": 1, "b": 2}` asks for one member, as a containment usually does. */
function firstMember(json: string): string | undefined {
  try {
    const value: unknown = JSON.parse(json);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return json;
    const [entry] = Object.entries(value);
    return entry ? JSON.stringify({ [entry[0]]: entry[1] }) : json;
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
