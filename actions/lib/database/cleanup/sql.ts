import { quoteIdent, quoteQualified } from '../../postgres/index.ts';
import type { ForeignKey, ForeignKeys } from './foreign-keys.ts';
import type { CleanupTarget } from './targets.ts';

/** Conditions over the rows of one table, as SQL. `$1` is always the time before which rows are too old. */

/** Only the table itself: rows of inheriting tables are not those that a foreign key or a rule speaks of. */
export function fromSql(table: { schema: string; name: string; isPartitioned: boolean }, alias: string): string {
  return `${table.isPartitioned ? '' : 'ONLY '}${quoteQualified(table.schema, table.name)} AS ${alias}`;
}

/** The name of a target in its own queries is the table's own, so that a condition may say `orders.status`. */
export const aliasOf = (target: Pick<CleanupTarget, 'name'>) => quoteIdent(target.name);

export function columnOf(target: CleanupTarget): string {
  return `${aliasOf(target)}.${quoteIdent(target.rule.column)}`;
}

/** Too old, and the condition is true. The line break ends a comment inside the condition. */
export function oldSql(target: CleanupTarget): string {
  const { condition } = target.rule;
  return `${columnOf(target)} < $1::${target.columnType}${condition === undefined ? '' : ` AND (${condition}\n)`}`;
}

/**
 * A row that refers to it keeps it: by a foreign key without CASCADE, or by one below what a CASCADE would delete. Null:
 * nothing can. A foreign key in a circle of CASCADEs is followed once; what lies deeper shows when the server refuses.
 */
export function referencedSql(keys: ForeignKeys, oid: string, alias: string): string | null {
  let count = 0;
  return referenced(oid, alias, []);

  function referenced(parent: string, of: string, path: readonly ForeignKey[]): string | null {
    const found = keys.to(parent).map(key => keptBy(key, parent, of, path));
    const clauses = found.filter(clause => clause !== null);
    return clauses.length === 0 ? null : `(${clauses.join(' OR ')})`;
  }

  function keptBy(key: ForeignKey, parent: string, of: string, path: readonly ForeignKey[]): string | null {
    const name = `referrer_${++count}`;
    const from = `SELECT FROM ${fromSql(key.child, name)} WHERE ${joinSql(key, of, name)}`;
    switch (key.onDelete) {
      case 'set null':
      case 'set default':
        return null;
      case 'cascade': {
        const below = path.includes(key) ? null : referenced(key.child.oid, name, [...path, key]);
        return below === null ? null : `EXISTS (${from} AND ${below})`;
      }
      case 'no action':
      case 'restrict':
        return `EXISTS (${from}${key.child.oid === parent ? ` AND ${name}.ctid <> ${of}.ctid` : ''})`;
    }
  }
}

export function joinSql(key: ForeignKey, parent: string, child: string): string {
  return key.parentColumns
    .map((column, at) => {
      const [left, right] = [`${parent}.${quoteIdent(column)}`, `${child}.${quoteIdent(key.childColumns[at]!)}`];
      return `${left} ${key.operators[at]} ${right}`;
    })
    .join(' AND ');
}

/** Where a walk through a table stands. */
export type Position =
  /** Along an index of the column: nothing older is left behind but what was passed over. */
  | { kind: 'index'; from: string | null }
  /** Without one: so many blocks at a time, so that each is read once. */
  | { kind: 'blocks'; first: number; end: number };

/** The header of a row, and the pointer to it: https://www.postgresql.org/docs/current/storage-page-layout.html */
const leastRowBytes = 28;

/**
 * Of as many rows as `$2` that may go: where they lie, locked. Rows that somebody works on are passed over. Before 14 the
 * server reads the whole table for a range of places: there each place of the blocks is named, as many as fit into them.
 */
export function lockSql(
  target: CleanupTarget,
  referenced: string | null,
  position: Position,
  server: { hasTidRanges: boolean },
): string {
  const alias = aliasOf(target);
  const column = columnOf(target);
  const place =
    position.kind === 'index'
      ? `($4::text IS NULL OR ${column} >= $4::${target.columnType})`
      : server.hasTidRanges
        ? `${alias}.ctid >= $4::tid AND ${alias}.ctid < $5::tid`
        : `${alias}.ctid = ANY (ARRAY(SELECT pg_catalog.format('(%s,%s)', block, line)::tid
                                  FROM generate_series($4::int8, $5::int8 - 1) block,
                                       generate_series(1, current_setting('block_size')::int / ${leastRowBytes}) line))`;
  return `SELECT ${alias}.ctid::text AS ctid, ${column}::text AS at FROM ${fromSql(target, alias)}
 WHERE ${oldSql(target)} AND ${place} AND ${alias}.ctid <> ALL ($3::tid[])${referenced === null ? '' : ` AND NOT ${referenced}`}
 ${position.kind === 'index' ? `ORDER BY ${column}` : ''} LIMIT $2 FOR UPDATE OF ${alias} SKIP LOCKED`;
}

/** Rows that a deletion by `$1` (where the parents lie) takes along, locked so that what is archived is what goes. */
export function cascadedSql(key: ForeignKey, parent: { schema: string; name: string }): string {
  return `SELECT child.tableoid::text AS oid, child.ctid::text AS ctid FROM ${fromSql(key.child, 'child')}
  JOIN ONLY ${quoteQualified(parent.schema, parent.name)} AS parent ON ${joinSql(key, 'parent', 'child')}
 WHERE parent.ctid = ANY ($1::tid[]) FOR UPDATE OF child`;
}
