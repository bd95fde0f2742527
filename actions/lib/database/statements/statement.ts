/**
 * One statement of the workload: a template, its constants replaced by `$1`, `$2` …, with what it cost. Statements that
 * differ only in constants, aliases or whitespace are one (by the fingerprint of PostgreSQL's own parser).
 */
export interface WorkloadStatement {
  /** 16 hexadecimal digits of libpg-query's `fingerprint`. */
  fingerprint: string;
  /** As `pg_stat_statements` keeps it. It never holds a literal of the user: see `redactStatement`. */
  text: string;
  queryIds: readonly string[];
  calls: number;
  totalMs: number;
  rows: number;
  /** Values for `$1`, `$2` … as text, where real ones are known (a log, a declared workload). */
  parameters?: readonly (string | null)[];
}
