import { z } from 'zod';
import type { Operation } from './operation.ts';
import { reportSchema } from './report.ts';
import { summarySchema } from './summary.ts';

/** By name, the JSON Schema of the report of each kind (as it is kept), and of `summary.json`. */
export function reportJsonSchemas(
  operations: readonly Pick<Operation<never, unknown>, 'kind' | 'dataSchema'>[],
): Record<string, unknown> {
  const written = (schema: z.ZodType) => z.toJSONSchema(schema, { io: 'output', unrepresentable: 'any' });
  const kept = reportSchema.omit({ samples: true });
  const reports = operations.map(({ kind, dataSchema }) => [
    kind,
    written(kept.extend({ kind: z.literal(kind), data: dataSchema.nullable() })),
  ]);
  return { ...Object.fromEntries(reports), summary: written(summarySchema) };
}
