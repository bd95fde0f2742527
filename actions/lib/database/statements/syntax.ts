import type { Node } from 'libpg-query';

/** `pg_catalog.now` as its parts. */
export function nameParts(nodes: readonly Node[] | undefined): string[] {
  return (nodes ?? []).flatMap(node => ('String' in node ? [node.String.sval ?? ''] : []));
}

/** The last part: the operator or function itself. */
export function lastName(nodes: readonly Node[] | undefined): string {
  return nameParts(nodes).at(-1) ?? '';
}

/** Every node directly below, in the order of the fields. */
export function childrenOf(node: Node): Node[] {
  return Object.values(node).flatMap(value => inside(value));
}

function inside(value: unknown): Node[] {
  if (Array.isArray(value)) return value.flatMap(each => (isNode(each) ? [each] : inside(each)));
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap(each => (isNode(each) ? [each] : inside(each)));
}

/** A node is an object with one key, which is the name of its type: `{ ColumnRef: … }`. */
export function isNode(value: unknown): value is Node {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const keys = Object.keys(value);
  return keys.length === 1 && /^[A-Z]/.test(keys[0]!);
}

/** `node` and everything below it; `visit` returns false to leave out what is below. */
export function walk(node: Node, visit: (node: Node) => boolean | undefined): void {
  if (visit(node) === false) return;
  for (const child of childrenOf(node)) walk(child, visit);
}

/** A copy in which `replace` may put another node for any node; it is asked from the top down. */
export function rewrite(node: Node, replace: (node: Node) => Node | undefined): Node {
  const other = replace(node);
  return other ?? (copied(node, replace) as Node);
}

function copied(value: unknown, replace: (node: Node) => Node | undefined): unknown {
  if (Array.isArray(value)) return value.map(each => (isNode(each) ? rewrite(each, replace) : copied(each, replace)));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [key, isNode(each) ? rewrite(each, replace) : copied(each, replace)]),
  );
}

/** The conditions that are joined by AND, through every level. */
export function conjuncts(node: Node | undefined): Node[] {
  if (!node) return [];
  if ('BoolExpr' in node && node.BoolExpr.boolop === 'AND_EXPR') return (node.BoolExpr.args ?? []).flatMap(conjuncts);
  return [node];
}
