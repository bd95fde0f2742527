import type { CatalogTable } from '../catalog/index.ts';
import { isSameSubject, type Subject } from '../statements/index.ts';
import type { PlannedStatement } from './planned-statement.ts';

/** How much of the workload's time asks for a subject by equality or by a join. */
export function sharingOf(statements: readonly PlannedStatement[]): (table: CatalogTable, subject: Subject) => number {
  const uses: { table: number; subject: Subject; weight: number }[] = [];
  for (const { usage, workload } of statements) {
    for (const relation of usage.relations) {
      const subjects = [
        ...relation.predicates
          .filter(each => ['equal', 'in', 'is-null', 'is-true'].includes(each.test))
          .map(each => each.subject),
        ...relation.joins.map(each => each.subject),
      ];
      for (const subject of subjects) uses.push({ table: relation.table.oid, subject, weight: workload.totalMs || 1 });
    }
  }
  return (table, subject) =>
    uses
      .filter(use => use.table === table.oid && isSameSubject(use.subject, subject))
      .reduce((sum, use) => sum + use.weight, 0);
}
