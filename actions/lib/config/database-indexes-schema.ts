import { z } from 'zod';

/** `database.indexes` of `.github/ops.yml`: the indexes that the platform wants, beside those of its constraints. */

const order = {
  opclass: z.string().min(1).optional().describe('Operator class, e.g. gin_trgm_ops. Default: that of the type'),
  descending: z.boolean().optional(),
  nullsFirst: z.boolean().optional().describe('Default: last when ascending, first when descending'),
};

const key = z.union([
  z.string().min(1).describe('A column; "column desc" for descending order'),
  z.strictObject({ column: z.string().min(1), ...order }),
  z.strictObject({ expression: z.string().min(1).describe('SQL, e.g. lower(email)'), ...order }),
]);

export const declaredIndexSchema = z.strictObject({
  table: z
    .string()
    .regex(/^[^.]+(\.[^.]+)?$/, 'must be table or schema.table')
    .describe('schema.table, or a table of the schema public'),
  columns: z.array(key).min(1),
  method: z.enum(['btree', 'gin', 'gist', 'brin']).default('btree'),
  where: z.string().min(1).optional().describe('SQL without WHERE: only these rows'),
  include: z.array(z.string().min(1)).default([]).describe('Columns carried along and not searched'),
  unique: z.boolean().default(false),
  name: z.string().min(1).max(63).optional().describe('Default: made of table and columns'),
  why: z.string().min(1).describe('What it is for: who looks at this later has nothing else to go by'),
});

export type DeclaredIndexConfig = z.output<typeof declaredIndexSchema>;
