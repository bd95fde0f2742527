import type { InsertStmt, Node } from 'libpg-query';
import type { CatalogTable } from '../catalog/index.ts';
import type { ParameterUse, WrittenTable } from './usage.ts';

/** What a statement writes, and the parameters that it writes as they are. */

/** @param targets of SET; of an insert or a delete every column is written */
export function writtenTable(
  table: CatalogTable,
  operation: WrittenTable['operation'],
  targets: readonly Node[] = [],
): WrittenTable {
  const columns =
    operation === 'update'
      ? targets.flatMap(target => ('ResTarget' in target && target.ResTarget.name ? [target.ResTarget.name] : []))
      : table.columns.map(each => each.name);
  return { table, operation, columns: new Set(columns) };
}

/** `SET a = $1` */
export function assignedParameters(table: CatalogTable, targets: readonly Node[]): ParameterUse[] {
  return targets.flatMap(target => {
    if (!('ResTarget' in target) || !target.ResTarget.val || !('ParamRef' in target.ResTarget.val)) return [];
    return assigned(target.ResTarget.val.ParamRef.number, table, target.ResTarget.name);
  });
}

/** `INSERT INTO t (a) VALUES ($1)` */
export function insertedParameters(insert: InsertStmt, table: CatalogTable): ParameterUse[] {
  const names = (insert.cols ?? []).flatMap(each =>
    'ResTarget' in each && each.ResTarget.name ? [each.ResTarget.name] : [],
  );
  const columns = names.length > 0 ? names : table.columns.map(each => each.name);
  const select = insert.selectStmt && 'SelectStmt' in insert.selectStmt ? insert.selectStmt.SelectStmt : undefined;
  return (select?.valuesLists ?? []).flatMap(list =>
    itemsOf(list).flatMap((item, n) => ('ParamRef' in item ? assigned(item.ParamRef.number, table, columns[n]) : [])),
  );
}

function assigned(number: number | undefined, table: CatalogTable, name: string | undefined): ParameterUse {
  return { number: number ?? 0, role: 'assigned', table, ...(name === undefined ? {} : { column: name }) };
}

export function itemsOf(node: Node): readonly Node[] {
  return 'List' in node ? (node.List.items ?? []) : [];
}
