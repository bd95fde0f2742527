import type { IndexDefinition } from '../indexes/index.ts';
import type { ParsedStatement } from '../statements/index.ts';

/** A statement of the workload, and what to run it with. */
export interface ProvableStatement {
  statement: ParsedStatement;
  calls: number;
  /** In production, over the window of the workload. */
  totalMs: number;
  /** Values for `$1`, `$2` … of each run; one empty list for a statement without any. None: nobody knows any. */
  samples: readonly Values[];
  parameters: 'real' | 'sampled' | 'none';
}

/** By position, as text that the type of the parameter reads. */
export type Values = readonly (string | null)[];

/** An index of the catalog by name. */
export interface IndexRef {
  schema: string;
  name: string;
}

export interface ProposedIndex {
  definition: IndexDefinition;
  /** `indexName(definition)`. */
  name: string;
  /** SQL that must have run before, such as `CREATE EXTENSION IF NOT EXISTS pg_trgm`. */
  prerequisites: readonly string[];
  /** Indexes that are there now and that this one is to replace. */
  replaces: readonly IndexRef[];
}

export function refKey({ schema, name }: IndexRef): string {
  return JSON.stringify([schema, name]);
}

export function refOf(index: Pick<ProposedIndex, 'definition' | 'name'>): IndexRef {
  return { schema: index.definition.schema, name: index.name };
}
