import type { CatalogTable } from '../catalog/index.ts';
import type { RelationUse } from './usage.ts';

/** A column of a table that the statement mentions. */
export interface Origin {
  relation: RelationUse;
  column: string;
}

/** One column of a subquery's result, and the table columns that it is, unchanged: none for a computed one. */
export interface Output {
  name: string;
  origins: readonly Origin[];
}

/** One entry of FROM. */
export interface Source {
  name: string;
  schema?: string;
  outputs: readonly Output[];
  /** Set for a table itself. */
  relation?: RelationUse;
}

/** Names as one SELECT sees them; what it does not know it asks its parent for (a correlated subquery). */
export class Scope {
  readonly sources: Source[] = [];
  readonly #parent: Scope | undefined;
  readonly #ctes = new Map<string, readonly Output[]>();
  #merged: readonly string[] = [];

  constructor(parent?: Scope) {
    this.#parent = parent;
  }

  addCte(name: string, outputs: readonly Output[]): void {
    this.#ctes.set(name, outputs);
  }

  cte(name: string): readonly Output[] | undefined {
    return this.#ctes.get(name) ?? this.#parent?.cte(name);
  }

  /** Columns of USING: they may be named without their table although two have them. */
  merge(names: readonly string[]): void {
    this.#merged = [...this.#merged, ...names];
  }

  /** The table columns that a reference means; none when it is computed or unknown. */
  resolve(parts: readonly string[]): readonly Origin[] {
    return this.output(parts)?.origins ?? [];
  }

  output(parts: readonly string[]): Output | undefined {
    const column = parts.at(-1)!;
    const qualifier = parts.at(-2);
    const schema = parts.at(-3);
    for (const source of this.sources) {
      if (qualifier !== undefined && source.name !== qualifier) continue;
      if (schema !== undefined && source.schema !== schema) continue;
      const found = source.outputs.find(each => each.name === column);
      if (found) return found;
    }
    return this.#parent?.output(parts);
  }

  source(name: string): Source | undefined {
    return this.sources.find(source => source.name === name) ?? this.#parent?.source(name);
  }
}

export function tableOutputs(relation: RelationUse): Output[] {
  return relation.table.columns.map(column => ({ name: column.name, origins: [{ relation, column: column.name }] }));
}

export function newRelation(table: CatalogTable, alias: string): RelationUse {
  return {
    table,
    alias,
    columns: new Set(),
    predicates: [],
    branches: [],
    joins: [],
    orders: [],
    groups: [],
    isTarget: false,
  };
}
