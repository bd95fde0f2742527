import type { CatalogTable } from '../catalog/index.ts';
import { isSameSubject, type Subject } from '../statements/index.ts';
import type { PlannedStatement } from './planned-statement.ts';

/**
 * How many statements ask for a subject by equality or by a join. Not how long they take: that differs from day to day, and
 * with it the order of the columns would.
 */
export function sharingOf(statements: readonly PlannedStatement[]): (table: CatalogTable, subject: Subject) => number {
  const uses: { table: number; subject: Subject; statement: number }[] = [];
  for (const { id, usage } of statements) {
    for (const relation of usage.relations) {
      const subjects = [
        ...relation.predicates
          .filter(each => ['equal', 'in', 'is-null', 'is-true'].includes(each.test))
          .map(each => each.subject),
        ...relation.joins.map(each => each.subject),
      ];
      for (const subject of subjects) uses.push({ table: relation.table.oid, subject, statement: id });
    }
  }
  return (table, subject) =>
    new Set(
      uses
        .filter(use => use.table === table.oid && isSameSubject(use.subject, subject))
        .map(({ statement }) => statement),
    ).size;
}
