import type { Node, SelectStmt } from 'libpg-query';
import { column } from './join-uses.ts';
import type { Output, Scope } from './scope.ts';
import { type KnownParameters, sidesOf } from './subject.ts';
import { lastName, nameParts, walk } from './syntax.ts';
import type { Operand, OrderKey, RelationUse, Subject } from './usage.ts';

/** In which order, or in which groups, a SELECT wants the rows of its tables. */

export interface SelectContext {
  select: SelectStmt;
  scope: Scope;
  outputs: readonly Output[];
  known: KnownParameters;
  /** Notes the columns of an expression as read. */
  read(node: Node): void;
}

/** GROUP BY, or DISTINCT, which is a group by all that is selected. */
export function noteGroups(context: SelectContext): void {
  const { select } = context;
  const keys =
    select.groupClause ?? (isPlainDistinct(select) ? (select.targetList ?? []).flatMap(targetValue) : undefined);
  if (!keys) return;
  for (const key of keys) context.read(key);
  const byRelation = new Map<RelationUse, Subject[]>();
  for (const key of keys) {
    for (const side of keySides(key, context).slice(0, 1)) {
      byRelation.set(side.relation, [...(byRelation.get(side.relation) ?? []), side.subject]);
    }
  }
  for (const [relation, subjects] of byRelation) relation.groups.push(subjects);
}

/** ORDER BY, the windows, and a lone `min` or `max`. */
export function noteOrders(context: SelectContext, limit: Operand | undefined): void {
  const { select, scope, known } = context;
  noteOrder(select.sortClause ?? [], limit, context);
  for (const window of windowsOf(select)) {
    for (const node of window) context.read(node);
    noteOrder(window, undefined, context);
  }
  // `max(a)` of a whole table is the first row of an index on a.
  const [only] = select.targetList ?? [];
  if (select.groupClause || select.targetList?.length !== 1 || !only) return;
  const [value] = targetValue(only);
  if (!value || !('FuncCall' in value) || !['min', 'max'].includes(lastName(value.FuncCall.funcname))) return;
  const [argument] = value.FuncCall.args ?? [];
  for (const side of argument ? sidesOf(argument, scope, known) : []) {
    const isDescending = lastName(value.FuncCall.funcname) === 'max';
    const keys = [{ subject: side.subject, isDescending, isNullsFirst: isDescending }];
    side.relation.orders.push({ keys, isComplete: true, limit: { kind: 'constant', value: '1' } });
  }
}

function noteOrder(sorts: readonly Node[], limit: Operand | undefined, context: SelectContext): void {
  const keys: (OrderKey & { relation: RelationUse })[] = [];
  for (const node of sorts) {
    const sort = 'SortBy' in node ? node.SortBy : { node };
    if (!sort.node) break;
    context.read(sort.node);
    const [side] = keySides(sort.node, context);
    if (!side || (keys[0] && keys[0].relation !== side.relation)) break;
    const isDescending = 'sortby_dir' in sort && sort.sortby_dir === 'SORTBY_DESC';
    const nulls = 'sortby_nulls' in sort ? sort.sortby_nulls : undefined;
    const isNullsFirst = nulls === 'SORTBY_NULLS_FIRST' || (nulls !== 'SORTBY_NULLS_LAST' && isDescending);
    keys.push({ relation: side.relation, subject: side.subject, isDescending, isNullsFirst });
  }
  const relation = keys[0]?.relation;
  if (!relation) return;
  const own = keys.map(({ subject, isDescending, isNullsFirst }) => ({ subject, isDescending, isNullsFirst }));
  relation.orders.push({ keys: own, isComplete: keys.length === sorts.length, limit });
}

/** A sort or group key may be a position or the name of an output. */
function keySides(node: Node, { select, scope, outputs, known }: SelectContext) {
  if ('A_Const' in node && node.A_Const.ival) {
    const target = (select.targetList ?? [])[(node.A_Const.ival.ival ?? 0) - 1];
    const [value] = target ? targetValue(target) : [];
    return value ? sidesOf(value, scope, known) : [];
  }
  const parts = 'ColumnRef' in node ? nameParts(node.ColumnRef.fields) : [];
  const aliased = parts.length === 1 ? (select.targetList ?? []).find(target => isNamed(target, parts[0]!)) : undefined;
  if (aliased) return targetValue(aliased).flatMap(value => sidesOf(value, scope, known));
  const output = parts.length === 1 ? outputs.find(each => each.name === parts[0]) : undefined;
  const found = sidesOf(node, scope, known);
  if (found.length > 0 || !output) return found;
  return output.origins.map(origin => ({ relation: origin.relation, subject: column(origin.column) }));
}

function targetValue(target: Node): Node[] {
  if (!('ResTarget' in target)) return [target];
  return target.ResTarget.val ? [target.ResTarget.val] : [];
}

function isNamed(target: Node, name: string): boolean {
  return 'ResTarget' in target && target.ResTarget.name === name;
}

/** `SELECT DISTINCT`, not `DISTINCT ON`, whose keys are those of ORDER BY. */
function isPlainDistinct(select: SelectStmt): boolean {
  return select.distinctClause?.every(node => Object.keys(node).length === 0) ?? false;
}

function windowsOf(select: SelectStmt): Node[][] {
  const windows: Node[][] = [];
  const add = (definition: { partitionClause?: Node[]; orderClause?: Node[] }) =>
    windows.push([...(definition.partitionClause ?? []), ...(definition.orderClause ?? [])]);
  for (const node of select.windowClause ?? []) if ('WindowDef' in node) add(node.WindowDef);
  for (const target of select.targetList ?? []) {
    walk(target, node => {
      if ('FuncCall' in node && node.FuncCall.over && !node.FuncCall.over.name) add(node.FuncCall.over);
      return !('SubLink' in node);
    });
  }
  return windows.filter(window => window.length > 0);
}

export function hasWindow(select: SelectStmt): boolean {
  let found = false;
  for (const target of select.targetList ?? []) {
    walk(target, node => {
      if ('FuncCall' in node && node.FuncCall.over) found = true;
      return !found && !('SubLink' in node);
    });
  }
  return found;
}
