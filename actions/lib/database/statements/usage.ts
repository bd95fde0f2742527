import type { CatalogTable } from '../catalog/index.ts';
import type { StatementKind } from './parser.ts';

/** What a statement asks of tables: all that an index could serve. Views, CTEs and subqueries are resolved to tables. */
export interface StatementUsage {
  kind: StatementKind;
  /** Each mention of a table is one of its own: a self-join has two. */
  relations: RelationUse[];
  written: WrittenTable[];
  parameters: ParameterUse[];
  /** Tables that the catalog does not know, as they were written. */
  unknownTables: string[];
  /** What can be said to a person about a condition that no index can serve. */
  remarks: string[];
}

export interface RelationUse {
  table: CatalogTable;
  /** As the statement calls it. */
  alias: string;
  /** Every column that is read, wherever: what a covering index must hold. */
  columns: Set<string>;
  /** All of them hold. */
  predicates: Predicate[];
  /** Each is one branch of an OR: what holds there in addition. */
  branches: Predicate[][];
  joins: JoinUse[];
  orders: OrderUse[];
  groups: Subject[][];
  /** Its rows are updated or deleted by the statement. */
  isTarget: boolean;
}

export type Subject =
  | { kind: 'column'; column: string }
  /** @property sql with unqualified columns, as an index would hold it */
  | { kind: 'expression'; sql: string; columns: readonly string[] };

export type Test =
  | 'equal'
  /** Equal to one of several. */
  | 'in'
  | 'range'
  /** A later column of a row comparison `(a, b) > ($1, $2)`. */
  | 'keyset'
  | 'pattern'
  | 'pattern-any-case'
  | 'regular-expression'
  | 'similar'
  | 'is-null'
  | 'is-not-null'
  | 'is-true'
  | 'is-false'
  | 'full-text'
  | 'contains'
  | 'contained'
  | 'overlaps'
  | 'has-key'
  | 'json-path'
  | 'other';

export interface Predicate {
  subject: Subject;
  test: Test;
  /** As written, seen from the subject: `<` also for `$1 > a`. */
  operator: string;
  operand: Operand;
  /** The condition with unqualified columns; undefined while a parameter in it is not known. */
  sql: string | undefined;
}

export type Operand =
  | { kind: 'parameter'; number: number; pattern?: PatternShape }
  | { kind: 'constant'; value: string; pattern?: PatternShape }
  | { kind: 'list'; count: number; items: Operand[] }
  /** Anything else that does not depend on the row: `now() - interval '1 day'`. */
  | { kind: 'expression'; pattern?: PatternShape }
  | { kind: 'none' };

/** Where the fixed text of a LIKE pattern stands. A parameter's is known only when its value is. */
export type PatternShape = 'prefix' | 'infix' | 'exact' | 'unknown';

export interface JoinUse {
  subject: Subject;
  operator: string;
  /** The relation on the other side, when it is one column of one relation. */
  other: RelationUse | undefined;
  otherColumn: string | undefined;
}

export interface OrderUse {
  /** The leading keys that are of this relation. */
  keys: OrderKey[];
  /** Whether these are all keys: only then rows come out in order without a sort. */
  isComplete: boolean;
  /** Rows that are asked for at most: the order is worth most where it ends early. */
  limit: Operand | undefined;
}

export interface OrderKey {
  subject: Subject;
  isDescending: boolean;
  isNullsFirst: boolean;
}

export interface WrittenTable {
  table: CatalogTable;
  operation: 'insert' | 'update' | 'delete';
  /** Columns that get a value: those of SET for an update; all for an insert and a delete. */
  columns: ReadonlySet<string>;
}

export interface ParameterUse {
  number: number;
  role: ParameterRole;
  table?: CatalogTable;
  column?: string;
}

export type ParameterRole =
  | 'equal'
  | 'in'
  | 'lower-bound'
  | 'upper-bound'
  | 'pattern'
  /** A fragment that the statement wraps: `'%' || $1 || '%'`. */
  | 'fragment'
  | 'regular-expression'
  | 'contains'
  | 'has-key'
  | 'words'
  | 'text-search-configuration'
  | 'date-part'
  | 'json-path'
  | 'limit'
  | 'offset'
  | 'assigned'
  | 'other';
