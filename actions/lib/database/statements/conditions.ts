import type { A_Expr, Node } from 'libpg-query';
import type { Scope } from './scope.ts';
import { conditionSql, dependsOnRow, type KnownParameters, relationsIn, type Side, sidesOf } from './subject.ts';
import { lastName } from './syntax.ts';
import type { JoinUse, Operand, ParameterRole, PatternShape, Predicate, RelationUse, Test } from './usage.ts';

/** What one condition says about each table in it. */
export interface Conditions {
  filters: { relation: RelationUse; predicate: Predicate }[];
  joins: { relation: RelationUse; join: JoinUse }[];
  /** Each OR: what its branches say. */
  alternatives: Conditions[][];
  parameters: { number: number; role: ParameterRole; side: Side | undefined }[];
  remarks: string[];
}

export interface ConditionContext {
  scope: Scope;
  known: KnownParameters;
  /** Resolves the subquery of an `IN (SELECT …)` or EXISTS. */
  onSubquery: (node: Node) => Conditions;
}

/** Classifies a condition; what it cannot say anything about leaves nothing behind. */
export function conditionsOf(node: Node, context: ConditionContext): Conditions {
  if ('BoolExpr' in node) {
    const args = node.BoolExpr.args ?? [];
    if (node.BoolExpr.boolop === 'AND_EXPR') return joined(args.map(arg => conditionsOf(arg, context)));
    if (node.BoolExpr.boolop === 'OR_EXPR') {
      const branches = args.map(arg => conditionsOf(arg, context));
      return { ...none(), alternatives: [branches], parameters: branches.flatMap(branch => branch.parameters) };
    }
    const [arg] = args;
    return arg && 'ColumnRef' in arg ? truth(arg, 'is-false', node, context) : none();
  }
  if ('SubLink' in node) return context.onSubquery(node);
  if ('ColumnRef' in node) return truth(node, 'is-true', node, context);
  if ('BooleanTest' in node && node.BooleanTest.arg) {
    const tests: Record<string, Test> = { IS_TRUE: 'is-true', IS_FALSE: 'is-false' };
    return truth(node.BooleanTest.arg, tests[node.BooleanTest.booltesttype ?? ''] ?? 'other', node, context);
  }
  if ('NullTest' in node && node.NullTest.arg) {
    const test = node.NullTest.nulltesttype === 'IS_NULL' ? 'is-null' : 'is-not-null';
    return filters(node.NullTest.arg, test, '', { kind: 'none' }, node, context);
  }
  return 'A_Expr' in node ? comparison(node.A_Expr, node, context) : none();
}

export function none(): Conditions {
  return { filters: [], joins: [], alternatives: [], parameters: [], remarks: [] };
}

export function joined(all: readonly Conditions[]): Conditions {
  return {
    filters: all.flatMap(each => each.filters),
    joins: all.flatMap(each => each.joins),
    alternatives: all.flatMap(each => each.alternatives),
    parameters: all.flatMap(each => each.parameters),
    remarks: all.flatMap(each => each.remarks),
  };
}

function truth(arg: Node, test: Test, node: Node, context: ConditionContext): Conditions {
  return filters(arg, test, '', { kind: 'none' }, node, context);
}

function comparison(expr: A_Expr, node: Node, context: ConditionContext): Conditions {
  const { lexpr: left, rexpr: right } = expr;
  if (!left || !right) return none();
  const operator = lastName(expr.name);
  switch (expr.kind) {
    case 'AEXPR_OP':
      return 'RowExpr' in left && 'RowExpr' in right
        ? rowComparison(left.RowExpr.args ?? [], right.RowExpr.args ?? [], operator, node, context)
        : binary(left, right, operator, node, context);
    case 'AEXPR_OP_ANY':
      return anyComparison(left, right, operator, node, context);
    case 'AEXPR_IN': {
      if (operator !== '=') return none();
      const items = 'List' in right ? (right.List.items ?? []) : [];
      const list: Operand = { kind: 'list', count: items.length, items: items.map(item => operandOf(item, context)) };
      return filters(left, items.length === 1 ? 'equal' : 'in', '=', list, node, context, items);
    }
    case 'AEXPR_BETWEEN': {
      const [low, high] = 'List' in right ? (right.List.items ?? []) : [];
      if (!low || !high) return none();
      return joined([
        filters(left, 'range', '>=', operandOf(low, context), node, context, [low]),
        filters(left, 'range', '<=', operandOf(high, context), node, context, [high]),
      ]);
    }
    case 'AEXPR_LIKE':
    case 'AEXPR_ILIKE': {
      if (operator.startsWith('!')) return none();
      const test = expr.kind === 'AEXPR_LIKE' ? 'pattern' : 'pattern-any-case';
      const shape = patternShape(right, context.known);
      return filters(left, test, operator, withShape(operandOf(right, context), shape), node, context, [right]);
    }
    default:
      return none();
  }
}

const commuted: Record<string, string> = { '<': '>', '<=': '>=', '>': '<', '>=': '<=', '@>': '<@', '<@': '@>' };

function testOf(operator: string): Test | undefined {
  switch (operator) {
    case '=':
      return 'equal';
    case '<':
    case '<=':
    case '>':
    case '>=':
      return 'range';
    case '~':
    case '~*':
      return 'regular-expression';
    case '%':
      return 'similar';
    case '@@':
      return 'full-text';
    case '@>':
      return 'contains';
    case '<@':
      return 'contained';
    case '&&':
      return 'overlaps';
    case '?':
    case '?|':
    case '?&':
      return 'has-key';
    case '@?':
      return 'json-path';
    case '~~':
      return 'pattern';
    case '~~*':
      return 'pattern-any-case';
    default:
      return undefined;
  }
}

function binary(left: Node, right: Node, operator: string, node: Node, context: ConditionContext): Conditions {
  const test = testOf(operator);
  if (!test) return none();
  const [hasLeft, hasRight] = [dependsOnRow(left, context.scope), dependsOnRow(right, context.scope)];
  if (hasLeft && hasRight) return joinOf(left, right, operator, context);
  if (hasLeft) return filters(left, test, operator, operandOf(right, context), node, context, [right]);
  if (!hasRight) return none();
  // `to_tsquery($1) @@ search` is the same as the other way round; `<` and its like turn.
  const turned = commuted[operator] ?? operator;
  return filters(right, testOf(turned) ?? test, turned, operandOf(left, context), node, context, [left]);
}

/** An index on one side lets the other side look its rows up; both ways are offered. */
function joinOf(left: Node, right: Node, operator: string, context: ConditionContext): Conditions {
  const oneWay = (from: Node, to: Node, seen: string): Conditions['joins'] => {
    const others = relationsIn(to, context.scope);
    return sidesOf(from, context.scope, context.known)
      .filter(side => !others.has(side.relation))
      .map(side => {
        const [other] = others.size === 1 ? others : [];
        const [column] = sidesOf(to, context.scope, context.known).flatMap(each =>
          each.subject.kind === 'column' ? [each.subject.column] : [],
        );
        return { relation: side.relation, join: { subject: side.subject, operator: seen, other, otherColumn: column } };
      });
  };
  const joins = [...oneWay(left, right, operator), ...oneWay(right, left, commuted[operator] ?? operator)];
  return { ...none(), joins };
}

function rowComparison(
  left: readonly Node[],
  right: readonly Node[],
  operator: string,
  node: Node,
  context: ConditionContext,
): Conditions {
  const test = testOf(operator);
  if (test !== 'equal' && test !== 'range') return none();
  return joined(
    left.map((each, n) => {
      const other = right[n];
      if (!other) return none();
      if (test === 'equal') return binary(each, other, operator, node, context);
      return filters(each, n === 0 ? 'range' : 'keyset', operator, operandOf(other, context), node, context, [other]);
    }),
  );
}

function anyComparison(left: Node, right: Node, operator: string, node: Node, context: ConditionContext): Conditions {
  if (dependsOnRow(right, context.scope)) {
    if (operator !== '=') return none();
    const [side] = sidesOf(right, context.scope, context.known);
    const name = side?.subject.kind === 'column' ? side.subject.column : 'the array';
    return {
      ...none(),
      parameters: parametersIn(left).map(number => ({ number, role: 'other' as const, side: undefined })),
      remarks: [
        `value = ANY (${name}) can use no index; ${name} @> ARRAY[value] says the same and can use a GIN index`,
      ],
    };
  }
  if (operator === '=') return filters(left, 'in', '=', operandOf(right, context), node, context, [right]);
  const test = testOf(operator);
  return test === 'pattern' || test === 'pattern-any-case'
    ? filters(left, test, operator, withShape(operandOf(right, context), 'unknown'), node, context, [right])
    : none();
}

/** The condition as a predicate on its subject; and what each parameter beside it is compared with. */
function filters(
  subject: Node,
  test: Test,
  operator: string,
  operand: Operand,
  node: Node,
  context: ConditionContext,
  others: readonly Node[] = [],
): Conditions {
  const sides = sidesOf(subject, context.scope, context.known);
  const sql = conditionSql(node, context.scope, context.known);
  const role = roleOf(test, operator);
  return {
    ...none(),
    filters: sides.map(side => ({
      relation: side.relation,
      predicate: { subject: side.subject, test, operator, operand, sql },
    })),
    parameters: others.flatMap(other => parameterRoles(other, role, sides[0])),
  };
}

function roleOf(test: Test, operator: string): ParameterRole {
  switch (test) {
    case 'equal':
      return 'equal';
    case 'in':
      return 'in';
    case 'range':
    case 'keyset':
      return operator.startsWith('<') ? 'upper-bound' : 'lower-bound';
    case 'pattern':
    case 'pattern-any-case':
    case 'similar':
      return 'pattern';
    case 'regular-expression':
      return 'regular-expression';
    case 'contains':
    case 'contained':
    case 'overlaps':
      return 'contains';
    case 'has-key':
      return 'has-key';
    case 'full-text':
      return 'words';
    case 'json-path':
      return 'json-path';
    default:
      return 'other';
  }
}

/** A parameter that stands alone has the role itself; one inside of an expression only what the expression makes of it. */
function parameterRoles(node: Node, role: ParameterRole, side: Side | undefined): Conditions['parameters'] {
  if ('ParamRef' in node) return [{ number: node.ParamRef.number ?? 0, role, side }];
  if ('TypeCast' in node && node.TypeCast.arg) return parameterRoles(node.TypeCast.arg, role, side);
  if (('A_ArrayExpr' in node && (role === 'in' || role === 'contains')) || role === 'in') {
    const items = 'A_ArrayExpr' in node ? (node.A_ArrayExpr.elements ?? []) : [];
    return items.flatMap(item => parameterRoles(item, role === 'in' ? 'equal' : 'has-key', side));
  }
  if (role === 'pattern') return parametersIn(node).map(number => ({ number, role: 'fragment' as const, side }));
  if (role === 'words' && 'FuncCall' in node) {
    const args = node.FuncCall.args ?? [];
    return args.flatMap((arg, n) =>
      parametersIn(arg).map(number => ({
        number,
        role: args.length > 1 && n === 0 ? ('text-search-configuration' as const) : ('words' as const),
        side,
      })),
    );
  }
  return [];
}

export function parametersIn(node: Node): number[] {
  const found: number[] = [];
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    for (const [key, each] of Object.entries(value)) {
      if (key === 'ParamRef') found.push((each as { number?: number }).number ?? 0);
      else visit(each);
    }
  };
  visit(node);
  return found;
}

export function operandOf(node: Node, context: ConditionContext): Operand {
  if ('TypeCast' in node && node.TypeCast.arg) return operandOf(node.TypeCast.arg, context);
  if ('ParamRef' in node) return { kind: 'parameter', number: node.ParamRef.number ?? 0 };
  if ('A_Const' in node) return { kind: 'constant', value: constantText(node) };
  if ('A_ArrayExpr' in node) {
    const items = node.A_ArrayExpr.elements ?? [];
    return { kind: 'list', count: items.length, items: items.map(item => operandOf(item, context)) };
  }
  return { kind: 'expression' };
}

function constantText(node: Extract<Node, { A_Const: unknown }>): string {
  const { ival, fval, boolval, sval } = node.A_Const;
  if (sval) return sval.sval ?? '';
  if (ival) return String(ival.ival ?? 0);
  if (fval) return fval.fval ?? '0';
  if (boolval) return String(boolval.boolval ?? false);
  return '';
}

function withShape(operand: Operand, pattern: PatternShape): Operand {
  return operand.kind === 'list' || operand.kind === 'none' ? operand : { ...operand, pattern };
}

/** Where the fixed text of the pattern stands: from a constant, a known value, or `'%' || $1`. */
export function patternShape(node: Node, known: KnownParameters): PatternShape {
  const text = patternText(node, known);
  if (text === undefined) return 'unknown';
  const first = text.search(/[%_]/);
  if (first === 0) return 'infix';
  return first < 0 ? 'exact' : 'prefix';
}

const unknownPart = '\u{1}';

/** The pattern as far as it is known, a parameter of unknown value inside of it as one character that is no wildcard. */
function patternText(node: Node, known: KnownParameters): string | undefined {
  if ('TypeCast' in node && node.TypeCast.arg) return patternText(node.TypeCast.arg, known);
  if ('A_Const' in node) return constantText(node);
  if ('ParamRef' in node) return known?.[(node.ParamRef.number ?? 0) - 1] ?? undefined;
  const parts =
    'A_Expr' in node && lastName(node.A_Expr.name) === '||'
      ? [node.A_Expr.lexpr, node.A_Expr.rexpr]
      : 'FuncCall' in node && ['concat', 'format'].includes(lastName(node.FuncCall.funcname))
        ? (node.FuncCall.args ?? [])
        : undefined;
  if (!parts) return undefined;
  const texts = parts.map(part => (part ? (patternText(part, known) ?? unknownPart) : unknownPart));
  // `$1 || $2`, both unknown, says nothing.
  return texts.every(text => text === unknownPart) ? undefined : texts.join('');
}
