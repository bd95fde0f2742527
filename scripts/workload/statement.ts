/** One statement of an application, as its code holds it: constants of the code in it, everything else as `$1`, `$2` …. */
export interface ApplicationStatement {
  name: string;
  /** On an ordinary day. */
  calls: number;
  sql: string;
  /** A query whose rows are values for the parameters, as text: what the platform's own data would be asked for with. */
  values?: string;
}

/** Values from rows that are there: the same each time, and by chance otherwise. */
export function from(source: string, columns: string, where = 'true'): string {
  return `SELECT ${columns} FROM ${source} WHERE ${where} ORDER BY md5(t::text) LIMIT 3`;
}

/** Values that are not in the data: a time, a word, a price. */
export function given(...rows: readonly (readonly string[])[]): string {
  const quoted = (value: string) => `'${value.replaceAll("'", "''")}'`;
  return `VALUES ${rows.map(row => `(${row.map(quoted).join(', ')})`).join(', ')}`;
}
