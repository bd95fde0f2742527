import { z } from 'zod';

/** What matters of `EXPLAIN (FORMAT JSON)`; every other field is left alone. */
interface PlanNode {
  'Node Type': string;
  'Index Name'?: string | undefined;
  'Relation Name'?: string | undefined;
  Alias?: string | undefined;
  'Total Cost'?: number | undefined;
  'Shared Hit Blocks'?: number | undefined;
  'Shared Read Blocks'?: number | undefined;
  'Temp Read Blocks'?: number | undefined;
  'Temp Written Blocks'?: number | undefined;
  Plans?: PlanNode[] | undefined;
}

const nodeSchema: z.ZodType<PlanNode> = z.lazy(() =>
  z.object({
    'Node Type': z.string(),
    'Index Name': z.string().optional(),
    'Relation Name': z.string().optional(),
    Alias: z.string().optional(),
    'Total Cost': z.number().optional(),
    'Shared Hit Blocks': z.number().optional(),
    'Shared Read Blocks': z.number().optional(),
    'Temp Read Blocks': z.number().optional(),
    'Temp Written Blocks': z.number().optional(),
    Plans: z.array(nodeSchema).optional(),
  }),
);

const explainedSchema = z
  .array(z.object({ Plan: nodeSchema, 'Execution Time': z.number().optional() }))
  .length(1)
  .transform(documents => documents[0]!);

export interface PlanFacts {
  cost: number;
  /** Names of indexes, without their schema, which EXPLAIN does not give for all scans. */
  indexes: ReadonlySet<string>;
  /** Changes rows: it must be rolled back, and what it leaves behind be vacuumed. */
  isWrite: boolean;
  /** Would reach out of the copy. */
  isForeign: boolean;
  /** The same for two plans that do the same with the same relations and indexes. */
  shape: string;
  executionMs: number | undefined;
  buffers: { hit: number; read: number; temp: number };
}

/** Throws what zod throws: then it was no answer of EXPLAIN. */
export function planFacts(answer: unknown): PlanFacts {
  const { Plan: root, 'Execution Time': executionMs } = explainedSchema.parse(answer);
  const nodes = [...nodesOf(root)];
  return {
    cost: root['Total Cost'] ?? 0,
    indexes: new Set(nodes.flatMap(node => node['Index Name'] ?? [])),
    isWrite: nodes.some(node => node['Node Type'] === 'ModifyTable'),
    isForeign: nodes.some(node => node['Node Type'] === 'Foreign Scan'),
    shape: JSON.stringify(shapeOf(root)),
    executionMs,
    // Of the root: a node counts what is below it as well.
    buffers: {
      hit: root['Shared Hit Blocks'] ?? 0,
      read: root['Shared Read Blocks'] ?? 0,
      temp: (root['Temp Read Blocks'] ?? 0) + (root['Temp Written Blocks'] ?? 0),
    },
  };
}

function* nodesOf(node: PlanNode): Generator<PlanNode> {
  yield node;
  for (const child of node.Plans ?? []) yield* nodesOf(child);
}

type Shape = (string | undefined | Shape)[];

function shapeOf(node: PlanNode): Shape {
  return [node['Node Type'], node['Index Name'], node['Relation Name'], node.Alias, ...(node.Plans ?? []).map(shapeOf)];
}
