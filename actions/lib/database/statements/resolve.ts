import type { InsertStmt, JoinExpr, MergeStmt, Node, RangeVar, SelectStmt, WithClause } from 'libpg-query';
import type { Catalog, CatalogTable } from '../catalog/index.ts';
import { calledParameters } from './called-parameters.ts';
import { type Conditions, conditionsOf, joined, none, operandOf, parametersIn } from './conditions.ts';
import { sharedNames, subqueryJoins, usingJoins } from './join-uses.ts';
import { hasWindow, noteGroups, noteOrders } from './order-uses.ts';
import { named, outputsOf } from './outputs.ts';
import { type ParsedStatement, parseViewSql } from './parser.ts';
import { newRelation, type Output, Scope, tableOutputs } from './scope.ts';
import { type KnownParameters, originsOf } from './subject.ts';
import { lastName, nameParts, walk } from './syntax.ts';
import type { Operand, ParameterUse, RelationUse, StatementUsage, WrittenTable } from './usage.ts';
import { assignedParameters, insertedParameters, itemsOf, writtenTable } from './write-uses.ts';

/**
 * What the statement asks of which tables. Names are looked up in the catalog as the server would do it; what it does
 * not know is left out and named in `unknownTables`.
 * @param known values of `$1`, `$2` …: an expression such as `payload->>$1` can be indexed only with them
 */
export function resolveUsage(statement: ParsedStatement, catalog: Catalog, known?: KnownParameters): StatementUsage {
  const resolver = new Resolver(catalog, known);
  resolver.statement(statement.node, new Scope());
  return {
    kind: statement.kind,
    relations: resolver.relations,
    written: resolver.written,
    parameters: resolver.parameterUses(statement.node),
    unknownTables: [...resolver.unknownTables],
    remarks: [...resolver.remarks],
  };
}

/** A view in a view in a view: deeper than this nothing sensible is built, and a cycle cannot exist. */
const maxDepth = 24;

class Resolver {
  readonly relations: RelationUse[] = [];
  readonly written: WrittenTable[] = [];
  readonly unknownTables = new Set<string>();
  readonly remarks = new Set<string>();
  readonly #parameters = new Map<number, ParameterUse>();
  readonly #catalog: Catalog;
  readonly #known: KnownParameters;
  #depth = 0;

  constructor(catalog: Catalog, known: KnownParameters) {
    this.#catalog = catalog;
    this.#known = known;
  }

  statement(node: Node, scope: Scope): readonly Output[] {
    if ('SelectStmt' in node) return this.#select(node.SelectStmt, scope);
    if ('InsertStmt' in node) return this.#insert(node.InsertStmt, scope);
    if ('UpdateStmt' in node) {
      const { relation, targetList = [], fromClause = [], whereClause, returningClause, withClause } = node.UpdateStmt;
      const inner = this.#target(relation, withClause, scope);
      const target = inner.sources[0]?.relation;
      if (target) this.#write(target.table, 'update', targetList);
      return this.#dml(inner, fromClause, whereClause, targetList, returningClause?.exprs ?? []);
    }
    if ('DeleteStmt' in node) {
      const { relation, usingClause = [], whereClause, returningClause, withClause } = node.DeleteStmt;
      const inner = this.#target(relation, withClause, scope);
      const target = inner.sources[0]?.relation;
      if (target) this.#write(target.table, 'delete');
      return this.#dml(inner, usingClause, whereClause, [], returningClause?.exprs ?? []);
    }
    if ('MergeStmt' in node) this.#merge(node.MergeStmt, scope);
    return [];
  }

  /** Every parameter of the statement, also one of which nothing is known. */
  parameterUses(node: Node): ParameterUse[] {
    const numbers = [...new Set(parametersIn(node))].sort((a, b) => a - b);
    return numbers.map(number => this.#parameters.get(number) ?? { number, role: 'other' });
  }

  #select(select: SelectStmt, parent: Scope): readonly Output[] {
    const scope = new Scope(parent);
    this.#ctes(select.withClause, scope);
    if (select.larg && select.rarg) {
      const left = this.#select(select.larg, scope);
      const right = this.#select(select.rarg, scope);
      this.#limits(select, scope);
      // A condition on a column of a UNION reaches every arm of it.
      return left.map((output, n) => ({
        name: output.name,
        origins: [...output.origins, ...(right[n]?.origins ?? [])],
      }));
    }
    if (select.valuesLists) {
      for (const list of select.valuesLists) this.#read(list, scope);
      const width = 'List' in (select.valuesLists[0] ?? {}) ? itemsOf(select.valuesLists[0]!).length : 0;
      return Array.from({ length: width }, (_, n) => ({ name: `column${n + 1}`, origins: [] }));
    }
    const conditions = (select.fromClause ?? []).map(item => this.#from(item, scope));
    if (select.whereClause) conditions.push(this.#conditions(select.whereClause, scope));
    this.#apply(joined(conditions));
    for (const target of select.targetList ?? []) this.#read(target, scope);
    if (select.havingClause) this.#read(select.havingClause, scope);
    const outputs = outputsOf(select.targetList ?? [], scope);
    const context = { select, scope, outputs, known: this.#known, read: (node: Node) => this.#read(node, scope) };
    noteGroups(context);
    noteOrders(context, select.limitCount && this.#operand(select.limitCount, scope));
    this.#limits(select, scope);
    // Conditions from outside cannot be moved below a LIMIT or a window, so its columns are its own.
    const isClosed = select.limitCount !== undefined || hasWindow(select);
    return isClosed ? outputs.map(output => ({ ...output, origins: [] })) : outputs;
  }

  #ctes(clause: WithClause | undefined, scope: Scope): void {
    for (const node of clause?.ctes ?? []) {
      if (!('CommonTableExpr' in node)) continue;
      const { ctename = '', ctequery, aliascolnames } = node.CommonTableExpr;
      if (!ctequery) continue;
      const names = nameParts(aliascolnames);
      if (clause?.recursive && 'SelectStmt' in ctequery && ctequery.SelectStmt.larg && ctequery.SelectStmt.rarg) {
        // The recursive arm reads the CTE itself, as the first arm makes it; what it computes is nobody's column.
        const first = named(this.#select(ctequery.SelectStmt.larg, scope), names);
        scope.addCte(
          ctename,
          first.map(output => ({ ...output, origins: [] })),
        );
        this.#select(ctequery.SelectStmt.rarg, scope);
        continue;
      }
      const outputs = named(this.statement(ctequery, scope), names);
      const isClosed = node.CommonTableExpr.ctematerialized === 'CTEMaterializeAlways' || !('SelectStmt' in ctequery);
      scope.addCte(ctename, isClosed ? outputs.map(output => ({ ...output, origins: [] })) : outputs);
    }
  }

  /** Adds an entry of FROM to the scope; returns what its joins say. */
  #from(node: Node, scope: Scope): Conditions {
    if ('RangeVar' in node) {
      this.#rangeVar(node.RangeVar, scope);
      return none();
    }
    if ('RangeSubselect' in node) {
      const { subquery, alias } = node.RangeSubselect;
      // Only a LATERAL one may look at its neighbours; for others the names lead nowhere else either.
      const outputs = subquery ? named(this.statement(subquery, scope), nameParts(alias?.colnames)) : [];
      scope.sources.push({ name: alias?.aliasname ?? '', outputs });
      return none();
    }
    if ('RangeFunction' in node) {
      this.#read(node, scope);
      const { alias } = node.RangeFunction;
      const names = nameParts(alias?.colnames);
      const outputs = (names.length > 0 ? names : [alias?.aliasname ?? '']).map(name => ({ name, origins: [] }));
      scope.sources.push({ name: alias?.aliasname ?? '', outputs });
      return none();
    }
    return 'JoinExpr' in node ? this.#join(node.JoinExpr, scope) : none();
  }

  #join(join: JoinExpr, scope: Scope): Conditions {
    const start = scope.sources.length;
    const conditions = [join.larg, join.rarg].map((side, n) => {
      const before = scope.sources.length;
      const found = side ? this.#from(side, scope) : none();
      return { found, first: n === 0 ? start : before };
    });
    const middle = conditions[1]!.first;
    const shared = join.isNatural ? sharedNames(scope, start, middle) : nameParts(join.usingClause);
    scope.merge(shared);
    const pairs = shared.map(name => usingJoins(name, scope, start, middle));
    const quals = join.quals ? this.#conditions(join.quals, scope) : none();
    return joined([...conditions.map(each => each.found), ...pairs, quals]);
  }

  #rangeVar(range: RangeVar, scope: Scope): RelationUse | undefined {
    const name = range.relname ?? '';
    const alias = range.alias?.aliasname ?? name;
    const names = nameParts(range.alias?.colnames);
    const cte = range.schemaname === undefined ? scope.cte(name) : undefined;
    if (cte) {
      scope.sources.push({ name: alias, outputs: named(cte, names) });
      return undefined;
    }
    const table = this.#catalog.find(range.schemaname, name);
    if (!table) {
      if (range.schemaname !== 'pg_catalog' && range.schemaname !== 'information_schema' && !name.startsWith('pg_'))
        this.unknownTables.add(range.schemaname ? `${range.schemaname}.${name}` : name);
      return undefined;
    }
    if (table.kind === 'view') {
      scope.sources.push({ name: alias, schema: table.schema, outputs: named(this.#view(table), names) });
      return undefined;
    }
    const relation = newRelation(table, alias);
    this.relations.push(relation);
    scope.sources.push({ name: alias, schema: table.schema, outputs: named(tableOutputs(relation), names), relation });
    return relation;
  }

  #view(view: CatalogTable): readonly Output[] {
    const columns = view.columns.map(each => each.name);
    if (!view.viewSql || this.#depth >= maxDepth) return columns.map(name => ({ name, origins: [] }));
    this.#depth++;
    try {
      return named(this.statement(parseViewSql(view.viewSql), new Scope()), columns);
    } finally {
      this.#depth--;
    }
  }

  #conditions(node: Node, scope: Scope): Conditions {
    this.#read(node, scope, { isCondition: true });
    return conditionsOf(node, {
      scope,
      known: this.#known,
      onSubquery: each => this.#subqueryCondition(each, scope),
    });
  }

  /** `a IN (SELECT b …)` is a join of a and b; what an EXISTS says is inside of it, and refers to the outside by name. */
  #subqueryCondition(node: Node, scope: Scope): Conditions {
    if (!('SubLink' in node) || !node.SubLink.subselect) return none();
    const { subLinkType, testexpr, subselect, operName } = node.SubLink;
    const outputs = this.statement(subselect, scope);
    if (subLinkType !== 'ANY_SUBLINK' || !testexpr) return none();
    this.#read(testexpr, scope);
    const operator = operName ? lastName(operName) : '=';
    return subqueryJoins(testexpr, operator, outputs, { scope, known: this.#known });
  }

  #apply(conditions: Conditions): void {
    for (const { relation, predicate } of conditions.filters) relation.predicates.push(predicate);
    for (const { relation, join } of conditions.joins) relation.joins.push(join);
    for (const branches of conditions.alternatives) {
      for (const branch of branches) {
        // A branch is served together with what holds outside of the OR.
        const byRelation = Map.groupBy(branch.filters, filter => filter.relation);
        for (const [relation, filters] of byRelation) relation.branches.push(filters.map(filter => filter.predicate));
        this.#apply({ ...branch, filters: [], parameters: [] });
      }
    }
    for (const { number, role, side } of conditions.parameters) {
      this.#parameters.set(number, {
        number,
        role,
        ...(side ? { table: side.relation.table } : {}),
        ...(side?.subject.kind === 'column' ? { column: side.subject.column } : {}),
      });
    }
    for (const remark of conditions.remarks) this.remarks.add(remark);
  }

  /** Notes every column below as read, and resolves subqueries; those of a condition are resolved where it is classified. */
  #read(node: Node, scope: Scope, { isCondition = false }: { isCondition?: boolean } = {}): void {
    const direct = isCondition ? conditionSubqueries(node) : new Set<Node>();
    walk(node, each => {
      if (direct.has(each)) return false;
      if ('SubLink' in each) {
        if (each.SubLink.testexpr) this.#read(each.SubLink.testexpr, scope);
        if (each.SubLink.subselect) this.statement(each.SubLink.subselect, scope);
        return false;
      }
      if ('SelectStmt' in each) {
        this.statement(each, scope);
        return false;
      }
      for (const origin of originsOf(each, scope)) origin.relation.columns.add(origin.column);
      return true;
    });
    for (const { use, isGuess } of calledParameters(node)) {
      if (!isGuess || !this.#parameters.has(use.number)) this.#parameters.set(use.number, use);
    }
  }

  #limits(select: SelectStmt, scope: Scope): void {
    for (const [node, role] of [
      [select.limitCount, 'limit'],
      [select.limitOffset, 'offset'],
    ] as const) {
      const operand = node ? this.#operand(node, scope) : undefined;
      if (operand?.kind === 'parameter') this.#parameters.set(operand.number, { number: operand.number, role });
    }
  }

  #operand(node: Node, scope: Scope): Operand {
    return operandOf(node, { scope, known: this.#known, onSubquery: none });
  }

  #target(range: RangeVar | undefined, clause: WithClause | undefined, parent: Scope): Scope {
    const scope = new Scope(parent);
    this.#ctes(clause, scope);
    const relation = range ? this.#rangeVar(range, scope) : undefined;
    if (relation) relation.isTarget = true;
    return scope;
  }

  #dml(
    scope: Scope,
    from: readonly Node[],
    where: Node | undefined,
    targets: readonly Node[],
    returning: readonly Node[],
  ) {
    const conditions = from.map(item => this.#from(item, scope));
    if (where) conditions.push(this.#conditions(where, scope));
    this.#apply(joined(conditions));
    for (const target of [...targets, ...returning]) this.#read(target, scope);
    return outputsOf(returning, scope);
  }

  #insert(insert: InsertStmt, parent: Scope): readonly Output[] {
    const scope = new Scope(parent);
    this.#ctes(insert.withClause, scope);
    const table = insert.relation
      ? this.#catalog.find(insert.relation.schemaname, insert.relation.relname ?? '')
      : undefined;
    if (!table && insert.relation?.relname) this.unknownTables.add(insert.relation.relname);
    if (insert.selectStmt) {
      this.statement(insert.selectStmt, scope);
      if (table) this.#note(insertedParameters(insert, table));
    }
    if (table) {
      this.#write(table, 'insert');
      const updates = insert.onConflictClause?.targetList ?? [];
      if (updates.length > 0) this.#write(table, 'update', updates);
    }
    return [];
  }

  #write(table: CatalogTable, operation: WrittenTable['operation'], targets: readonly Node[] = []): void {
    this.written.push(writtenTable(table, operation, targets));
    this.#note(assignedParameters(table, targets));
  }

  #note(uses: readonly ParameterUse[]): void {
    for (const use of uses) this.#parameters.set(use.number, use);
  }

  #merge(merge: MergeStmt, parent: Scope): void {
    const scope = this.#target(merge.relation, merge.withClause, parent);
    const conditions = merge.sourceRelation ? [this.#from(merge.sourceRelation, scope)] : [];
    if (merge.joinCondition) conditions.push(this.#conditions(merge.joinCondition, scope));
    this.#apply(joined(conditions));
    const table = scope.sources[0]?.relation?.table;
    for (const clause of merge.mergeWhenClauses ?? []) {
      this.#read(clause, scope);
      if (!table || !('MergeWhenClause' in clause)) continue;
      const { commandType, targetList = [] } = clause.MergeWhenClause;
      if (commandType === 'CMD_UPDATE') this.#write(table, 'update', targetList);
      if (commandType === 'CMD_DELETE') this.#write(table, 'delete');
      if (commandType === 'CMD_INSERT') this.#write(table, 'insert');
    }
  }
}

/** Subqueries that `conditionsOf` meets as conditions of their own. */
function conditionSubqueries(node: Node): Set<Node> {
  const found = new Set<Node>();
  const visit = (each: Node): void => {
    if ('SubLink' in each) found.add(each);
    if ('BoolExpr' in each && each.BoolExpr.boolop !== 'NOT_EXPR') (each.BoolExpr.args ?? []).forEach(visit);
  };
  visit(node);
  return found;
}
