import type { Node } from 'libpg-query';
import { deparseSync } from 'pgsql-deparser';
import { quoteIdent } from '../../postgres/index.ts';
import type { Origin, Scope } from './scope.ts';
import { lastName, nameParts, rewrite, walk } from './syntax.ts';
import type { RelationUse, Subject } from './usage.ts';

/** A side of a condition that an index could be searched by. */
export interface Side {
  subject: Subject;
  relation: RelationUse;
}

/** Values of parameters by number, as text; null is the SQL NULL. */
export type KnownParameters = readonly (string | null)[] | undefined;

/**
 * What the node is to an index: a column, or an expression over columns of one table. Several sides for a column of a
 * UNION; none for anything else, also while an expression holds a parameter whose value is not known.
 */
export function sidesOf(node: Node, scope: Scope, known: KnownParameters): Side[] {
  const bare = withoutNoOpCast(node, scope);
  if ('ColumnRef' in bare) {
    return originsOf(bare, scope).map(({ relation, column }) => ({ relation, subject: { kind: 'column', column } }));
  }
  const expression = expressionOf(bare, scope, known);
  return expression ? [expression] : [];
}

/** The columns that a reference means: several for `t.*`, and for a column of a UNION. */
export function originsOf(node: Node, scope: Scope): readonly Origin[] {
  if (!('ColumnRef' in node)) return [];
  const fields = node.ColumnRef.fields ?? [];
  if (fields.some(field => 'A_Star' in field)) return starOutputs(fields, scope);
  const parts = nameParts(fields);
  const output = scope.output(parts);
  if (output) return output.origins;
  // `t` alone is the whole row of t.
  const source = parts.length === 1 ? scope.source(parts[0]!) : undefined;
  return source ? source.outputs.flatMap(each => each.origins) : [];
}

function starOutputs(fields: readonly Node[], scope: Scope): readonly Origin[] {
  const qualifier = nameParts(fields).at(-1);
  const sources = qualifier === undefined ? scope.sources : scope.sources.filter(each => each.name === qualifier);
  return sources.flatMap(source => source.outputs.flatMap(output => output.origins));
}

/** Whether any column of a table stands in it. */
export function dependsOnRow(node: Node, scope: Scope): boolean {
  return relationsIn(node, scope).size > 0;
}

export function relationsIn(node: Node, scope: Scope): Set<RelationUse> {
  const found = new Set<RelationUse>();
  walk(node, each => {
    for (const origin of originsOf(each, scope)) found.add(origin.relation);
    return true;
  });
  return found;
}

/** `name::text` of a text column is the column itself; the server does not keep such a cast either. */
function withoutNoOpCast(node: Node, scope: Scope): Node {
  if (!('TypeCast' in node) || !node.TypeCast.arg || !('ColumnRef' in node.TypeCast.arg)) return node;
  const type = lastName(node.TypeCast.typeName?.names);
  const origins = originsOf(node.TypeCast.arg, scope);
  const isSame = origins.every(({ relation, column }) => {
    const base = relation.table.columns.find(each => each.name === column)?.baseType;
    return base === type || (base === 'varchar' && type === 'text');
  });
  return origins.length > 0 && isSame && !node.TypeCast.typeName?.arrayBounds ? node.TypeCast.arg : node;
}

/** Functions whose result changes by itself: an index on them cannot be made, and asking the server would cost a call. */
const volatile = new Set([
  'now',
  'random',
  'clock_timestamp',
  'statement_timestamp',
  'timeofday',
  'nextval',
  'currval',
]);

/** Nodes that an index expression can be made of. */
const usable = [
  'FuncCall',
  'A_Expr',
  'TypeCast',
  'CoalesceExpr',
  'A_Const',
  'ColumnRef',
  'TypeName',
  'String',
  'Integer',
  'CollateClause',
  'CaseExpr',
  'CaseWhen',
  'NullTest',
  'BoolExpr',
  'List',
];

function expressionOf(node: Node, scope: Scope, known: KnownParameters): Side | undefined {
  if ('A_Const' in node || 'ParamRef' in node) return undefined;
  const filled = rewrite(node, each =>
    'ParamRef' in each ? constantNode(known?.[(each.ParamRef.number ?? 0) - 1]) : undefined,
  );
  const relations = new Set<RelationUse>();
  const columns = new Set<string>();
  let isUsable = true;
  walk(filled, each => {
    const type = Object.keys(each)[0]!;
    if (!usable.includes(type)) isUsable = false;
    if ('FuncCall' in each) {
      const call = each.FuncCall;
      if (volatile.has(lastName(call.funcname)) || call.over || call.agg_star || call.agg_distinct) isUsable = false;
    }
    if ('ColumnRef' in each) {
      const origins = originsOf(each, scope);
      if (origins.length !== 1) isUsable = false;
      for (const origin of origins) {
        relations.add(origin.relation);
        columns.add(origin.column);
      }
    }
    return isUsable;
  });
  const [relation] = relations;
  if (!isUsable || !relation || relations.size !== 1) return undefined;
  return { relation, subject: { kind: 'expression', sql: unqualifiedSql(filled, scope), columns: [...columns] } };
}

/** The node as SQL, its columns by the names that the table gives them. */
export function unqualifiedSql(node: Node, scope: Scope): string {
  const renamed = rewrite(node, each => {
    if (!('ColumnRef' in each)) return undefined;
    const [origin] = originsOf(each, scope);
    return origin ? { ColumnRef: { fields: [{ String: { sval: origin.column } }] } } : undefined;
  });
  return deparseSync(renamed)
    .replace(/\s*\n\s*/g, ' ')
    .trim();
}

/** The condition with unqualified columns, when it holds nothing but columns of one table and known values. */
export function conditionSql(node: Node, scope: Scope, known: KnownParameters): string | undefined {
  let isPlain = true;
  const filled = rewrite(node, each => {
    if (!('ParamRef' in each)) return undefined;
    isPlain = false;
    return constantNode(known?.[(each.ParamRef.number ?? 0) - 1]);
  });
  // A parameter, even a known one, is another value in the next call: no condition for a partial index.
  if (!isPlain || relationsIn(filled, scope).size !== 1) return undefined;
  let isStable = true;
  walk(filled, each => {
    if ('SubLink' in each || 'SQLValueFunction' in each) isStable = false;
    if ('FuncCall' in each && volatile.has(lastName(each.FuncCall.funcname))) isStable = false;
    return isStable;
  });
  return isStable ? unqualifiedSql(filled, scope) : undefined;
}

function constantNode(value: string | null | undefined): Node | undefined {
  if (value === undefined) return undefined;
  if (value === null) return { A_Const: { isnull: true } };
  return { A_Const: { sval: { sval: value } } };
}

/** `a`, or an expression in parentheses: as a key of an index is written. */
export function subjectSql(subject: Subject): string {
  return subject.kind === 'column' ? quoteIdent(subject.column) : `(${subject.sql})`;
}

export function columnsOf(subject: Subject): readonly string[] {
  return subject.kind === 'column' ? [subject.column] : subject.columns;
}

export function isSameSubject(a: Subject, b: Subject): boolean {
  return a.kind === 'column'
    ? b.kind === 'column' && a.column === b.column
    : b.kind === 'expression' && a.sql === b.sql;
}
