import type pg from 'pg';
import { type CatalogTable, type ColumnStatistics, Statistics } from './catalog.ts';

/**
 * Planner statistics of the columns of `tables`; those of the whole for a partitioned table. The role sees them only of
 * tables it may read: others have none. Values longer than `maxValueCharacters` are left out. Throws what pg throws.
 */
export async function readStatistics(client: pg.Client, tables: readonly CatalogTable[]): Promise<Statistics> {
  const rowsOf = new Map(tables.map(table => [`${table.schema}\0${table.name}`, table.rows]));
  const { rows } = await client.query<Row>(statisticsQuery, [
    tables.map(table => table.schema),
    tables.map(table => table.name),
  ]);
  return new Statistics(
    rows.map(row => [
      Statistics.key(row.schema, row.table, row.column),
      asStatistics(row, rowsOf.get(`${row.schema}\0${row.table}`) ?? 0),
    ]),
  );
}

interface Row {
  schema: string;
  table: string;
  column: string;
  null_frac: number;
  avg_width: number;
  n_distinct: number;
  correlation: number | null;
  common_vals: string[] | null;
  common_freqs: number[] | null;
  histogram: string[] | null;
  common_elems: string[] | null;
  common_elem_freqs: number[] | null;
}

/** A parameter is filled with such a value: a whole document would only make the statement long. */
const maxValueCharacters = 2_000;

// anyarray reaches text[] only through text. An array of arrays or of composites is left out: its text is no text[].
const asTextArray = (column: string) =>
  `CASE WHEN left(${column}::text, 1) = '{' AND ${column}::text !~ '^\\{\\{' AND length(${column}::text) < 400000 THEN ${column}::text::text[] END`;

const statisticsQuery = `
  SELECT s.schemaname AS schema, s.tablename AS "table", s.attname AS "column",
         s.null_frac::float8 AS null_frac, s.avg_width, s.n_distinct::float8 AS n_distinct, s.correlation::float8 AS correlation,
         ${asTextArray('s.most_common_vals')} AS common_vals, s.most_common_freqs::float8[] AS common_freqs,
         ${asTextArray('s.histogram_bounds')} AS histogram,
         ${asTextArray('s.most_common_elems')} AS common_elems, s.most_common_elem_freqs::float8[] AS common_elem_freqs
    FROM unnest($1::text[], $2::text[]) AS wanted (schema, name)
    JOIN pg_catalog.pg_stats s ON s.schemaname = wanted.schema AND s.tablename = wanted.name
   ORDER BY s.schemaname, s.tablename, s.attname, s.inherited`;

/** Statistics with those of the children come last, and replace the ones of the table alone. */
function asStatistics(row: Row, tableRows: number): ColumnStatistics {
  return {
    nullFraction: row.null_frac,
    averageBytes: row.avg_width,
    distinct: row.n_distinct < 0 ? Math.max(1, Math.round(-row.n_distinct * tableRows)) : row.n_distinct,
    commonValues: paired(row.common_vals, row.common_freqs),
    histogram: (row.histogram ?? []).filter(value => value.length <= maxValueCharacters),
    correlation: row.correlation ?? undefined,
    // The last entries of the frequencies are minimum, maximum and share of nulls.
    commonElements: paired(row.common_elems, row.common_elem_freqs),
  };
}

function paired(
  values: readonly string[] | null,
  frequencies: readonly number[] | null,
): { value: string; frequency: number }[] {
  return (values ?? [])
    .map((value, n) => ({ value, frequency: frequencies?.[n] ?? 0 }))
    .filter(({ value }) => value.length <= maxValueCharacters);
}
