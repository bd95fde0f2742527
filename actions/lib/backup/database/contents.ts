import type { TableRecord } from '../sets/manifest.ts';

/** One line of an archive's table of contents, as `pg_restore --list --verbose` prints it. */
export interface Entry {
  /** pg_dump's number of it, by which others depend on it and a list names it. */
  id: number;
  oid: string;
  /** `INDEX public orders_pkey owner`: type, schema, name and owner, not quoted. */
  text: string;
  dependsOn: readonly number[];
}

export function parseContents(list: string): Entry[] {
  const entries: (Entry & { dependsOn: number[] })[] = [];
  for (const line of list.split('\n')) {
    const entry = /^(\d+); \d+ (\d+) (.*)$/.exec(line);
    if (entry) entries.push({ id: Number(entry[1]), oid: entry[2]!, text: entry[3]!, dependsOn: [] });
    // Below the entry that it belongs to.
    const needs = /^;\s+depends on:((?: \d+)+)\s*$/.exec(line);
    if (needs) entries.at(-1)?.dependsOn.push(...needs[1]!.trim().split(' ').map(Number));
  }
  return entries;
}

/**
 * What an index may need beside its table: nothing in it runs a function that others wrote. One that is called immutable
 * and reads another table all the same, of a person or, as PostGIS reads `spatial_ref_sys`, of an extension, would find
 * it empty.
 */
const harmless = /^(?:SCHEMA|TYPE|DOMAIN|COLLATION) /;

/**
 * The indexes, primary keys and unique or exclusion constraints that can be made as soon as the rows of their own table
 * are in, by index of the table. What is left out here is made in the end: those that use functions, operators or
 * extensions, and those of partitions, which come after the ones of their parent.
 */
export function indexEntries(
  entries: readonly Entry[],
  tables: readonly Pick<TableRecord, 'schema' | 'name'>[],
): Map<number, Entry[]> {
  const byId = new Map(entries.map(entry => [entry.id, entry]));
  const tableOf = tableEntries(entries, tables);
  const result = new Map<number, Entry[]>();
  for (const entry of entries) {
    if (!/^(?:INDEX|CONSTRAINT) (?!ATTACH )/.test(entry.text)) continue;
    // pg_dump names a table once for each column of it that is used.
    const needs = [...new Set(entry.dependsOn)];
    const owners = needs.filter(id => tableOf.has(id));
    const others = needs.filter(id => !tableOf.has(id)).map(id => byId.get(id));
    if (owners.length !== 1 || !others.every(other => other === undefined || harmless.test(other.text))) continue;
    const table = tableOf.get(owners[0]!)!;
    result.set(table, [...(result.get(table) ?? []), entry]);
  }
  return result;
}

/** Which entry makes which table. Names are not quoted in the list; where that leaves a doubt, the table is not there. */
function tableEntries(
  entries: readonly Entry[],
  tables: readonly Pick<TableRecord, 'schema' | 'name'>[],
): Map<number, number> {
  const byName = new Map<string, number[]>();
  for (const [index, { schema, name }] of tables.entries()) {
    // pg_dump prints line breaks as spaces.
    const printed = `${schema} ${name}`.replace(/[\r\n]/g, ' ');
    byName.set(printed, [...(byName.get(printed) ?? []), index]);
  }
  const result = new Map<number, number>();
  for (const { id, text } of entries) {
    if (!text.startsWith('TABLE ')) continue;
    const words = text.slice('TABLE '.length).split(' ');
    // The owner is the last word, or more of them.
    const candidates = words.flatMap((_, count) => byName.get(words.slice(0, count).join(' ')) ?? []);
    if (candidates.length === 1) result.set(id, candidates[0]!);
  }
  return result;
}
