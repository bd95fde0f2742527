import { z } from 'zod';
import { statusSchema } from '../../reports/index.ts';
import { readingSchema } from '../workload/index.ts';

const findingSchema = z.strictObject({
  subject: z.string().describe('What it is about, quoted as in SQL'),
  severity: z.enum(['warning', 'critical']),
  value: z.number(),
  message: z.string(),
  mend: z.array(z.string()).describe('The exact statements that mend it, in order'),
});

const healthSchema = z.strictObject({
  id: z.string(),
  title: z.string(),
  meaning: z.string(),
  status: statusSchema,
  value: z.number().nullable(),
  threshold: z.number().nullable(),
  unit: z.string(),
  note: z.string().nullable(),
  findings: z.array(findingSchema).describe('The gravest first'),
  findingsLeftOut: z.int(),
});
export type HealthData = z.infer<typeof healthSchema>;

export const planFindingSchema = z.strictObject({
  kind: z.enum(['sequential scan', 'sort', 'hash', 'nested loop', 'row estimate', 'statistics']),
  message: z.string(),
  suggestion: z.string(),
  mend: z.array(z.string()),
});

const statementSchema = z.strictObject({
  fingerprint: z.string(),
  queryIds: z.array(z.string()),
  text: z.string().describe('Without a literal of the user'),
  reasons: z.array(z.enum(['slow', 'heavy', 'frequent', 'slower', 'new'])),
  calls: z.number().describe('In the window'),
  callsPerSecond: z.number().nullable(),
  totalMs: z.number(),
  totalRatio: z.number().describe('Of the time of all statements'),
  meanMs: z.number().nullable(),
  previousMeanMs: z.number().nullable().describe('In the window before'),
  maxMs: z.number().describe('Since the counters began'),
  rowsPerCall: z.number(),
  cacheHitRatio: z.number().nullable(),
  tempBytesPerCall: z.number(),
  slowSince: z.iso.datetime().nullable().describe('The first report in a row that found it slow'),
  cost: z.number().nullable().describe('Of its plan, in the units of the planner'),
  planProblem: z.string().nullable().describe('Why there is no plan'),
  findings: z.array(planFindingSchema),
});
export type StatementData = z.infer<typeof statementSchema>;

export const analyzeDataSchema = z.strictObject({
  database: z.string(),
  server: z.string().describe('Version'),
  isReplica: z.boolean(),
  databaseBytes: z.number().nullable(),
  statementCount: z.int(),
  window: z
    .strictObject({
      kind: z.enum(['first', 'since', 'reset']),
      from: z.iso.datetime().nullable(),
      seconds: z.number().nullable(),
    })
    .nullable()
    .describe('What the numbers of the statements cover; null when statements are not counted'),
  health: z.array(healthSchema),
  statements: z.array(statementSchema).describe('The costliest first'),
  tables: z.array(
    z.strictObject({ name: z.string(), rows: z.number().nullable(), bytes: z.number(), indexBytes: z.number() }),
  ),
  progress: z.array(
    z.strictObject({ what: z.string(), relation: z.string(), phase: z.string(), ratio: z.number().nullable() }),
  ),
  unseen: z.array(z.strictObject({ what: z.string(), grant: z.string() })),
  unusedSince: z.record(z.string(), z.iso.datetime()).describe('Indexes that were not used, by schema.index'),
  reading: readingSchema.nullable().describe('The counters, for the next report'),
});
export type AnalyzeData = z.infer<typeof analyzeDataSchema>;
