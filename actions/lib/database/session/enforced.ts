/**
 * SQL: whether a row of `pg_constraint` is ENFORCED. One that is not (from 18 on) keeps no row, takes none along and reads no
 * table. Before, there is no such column, and whatever there is holds: hence `to_jsonb`, which asks for none.
 */
export function isEnforced(constraint: string): string {
  return `coalesce((pg_catalog.to_jsonb(${constraint}) ->> 'conenforced')::boolean, true)`;
}
