import type pg from 'pg';

/** From this on a function takes longer than to read the row that it is asked about. What users write has 100. */
const costlyFrom = 10;

/** The names of functions that say of themselves that a call takes long. Throws what pg throws. */
export async function readCostlyFunctions(client: pg.Client): Promise<ReadonlySet<string>> {
  const { rows } = await client.query<{ name: string }>(
    'SELECT DISTINCT proname AS name FROM pg_catalog.pg_proc WHERE procost >= $1',
    [costlyFrom],
  );
  return new Set(rows.map(({ name }) => name));
}

/**
 * Whether a condition of a plan calls one of the functions for every row that it is asked about.
 * @param condition as EXPLAIN writes it, e.g. `(to_tsvector('french'::regconfig, title) @@ '''vase'''::tsquery)`
 */
export function callsAny(condition: string, functions: ReadonlySet<string>): boolean {
  const withoutTexts = condition.replaceAll(/'(?:[^']|'')*'/g, "''");
  for (const [, quoted, plain] of withoutTexts.matchAll(/(?:"((?:[^"]|"")+)"|([\p{L}_][\p{L}\p{N}_$]*))\(/gu)) {
    if (functions.has(quoted?.replaceAll('""', '"') ?? plain!)) return true;
  }
  return false;
}
