import type { Node } from 'libpg-query';
import { type Conditions, joined, none } from './conditions.ts';
import type { Origin, Output, Scope } from './scope.ts';
import { type KnownParameters, sidesOf } from './subject.ts';
import type { Subject } from './usage.ts';

/** Joins that are not written as a condition: those of USING and NATURAL, and those of `IN (SELECT …)`. */

/** What `USING (name)` says: the entries of FROM from `start` to `middle` are on the left, those behind on the right. */
export function usingJoins(name: string, scope: Scope, start: number, middle: number): Conditions {
  const originsIn = (from: number, to: number) =>
    scope.sources
      .slice(from, to)
      .flatMap(source => source.outputs.filter(each => each.name === name).flatMap(each => each.origins));
  const left = originsIn(start, middle);
  const right = originsIn(middle, scope.sources.length);
  for (const origin of [...left, ...right]) origin.relation.columns.add(origin.column);
  const pair = (a: Origin, b: Origin) => ({
    relation: a.relation,
    join: { subject: column(a.column), operator: '=', other: b.relation, otherColumn: b.column },
  });
  return { ...none(), joins: left.flatMap(a => right.flatMap(b => [pair(a, b), pair(b, a)])) };
}

/** The columns that both sides have: those of a NATURAL join. */
export function sharedNames(scope: Scope, start: number, middle: number): string[] {
  const names = (from: number, to: number) =>
    scope.sources.slice(from, to).flatMap(source => source.outputs.map(each => each.name));
  const right = new Set(names(middle, scope.sources.length));
  return [...new Set(names(start, middle))].filter(name => right.has(name));
}

/** `a IN (SELECT b …)` is a join of a and b; a row of several is one for each. @param outputs of the subquery */
export function subqueryJoins(
  testexpr: Node,
  operator: string,
  outputs: readonly Output[],
  { scope, known }: { scope: Scope; known: KnownParameters },
): Conditions {
  const tests = 'RowExpr' in testexpr ? (testexpr.RowExpr.args ?? []) : [testexpr];
  return joined(
    tests.map((test, n) => {
      const inner = outputs[n]?.origins ?? [];
      const outer = sidesOf(test, scope, known);
      return {
        ...none(),
        joins: outer.flatMap(side => [
          {
            relation: side.relation,
            join: { subject: side.subject, operator, other: inner[0]?.relation, otherColumn: inner[0]?.column },
          },
          ...inner.map(origin => ({
            relation: origin.relation,
            join: {
              subject: column(origin.column),
              operator,
              other: side.relation,
              otherColumn: side.subject.kind === 'column' ? side.subject.column : undefined,
            },
          })),
        ]),
      };
    }),
  );
}

export function column(name: string): Subject {
  return { kind: 'column', column: name };
}
