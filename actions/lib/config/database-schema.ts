import { z } from 'zod';
import { databaseAdviseSchema } from './database-advise-schema.ts';
import { databaseApplySchema, databaseCleanupSchema, databaseMaintainSchema } from './database-change-schema.ts';
import { declaredIndexSchema } from './database-indexes-schema.ts';
import { durationSchema } from './duration.ts';

/** The `database:` part of `.github/ops.yml`. */

const ratio = z.number().min(0).max(1);
const bytes = z.int().min(0);

const machine = z
  .strictObject({
    memoryBytes: z.int().positive().optional().describe('RAM of the database server; SQL cannot ask for it'),
    cores: z.int().positive().optional(),
    diskBytes: z.int().positive().optional().describe('Size of the disk that holds the data'),
    storage: z.enum(['ssd', 'hdd']).optional(),
  })
  .describe('The machine of the database server. What is not given is not judged');

const slowStatements = z.strictObject({
  slowMs: z.number().positive().default(500).describe('Mean time of a statement that counts as slow'),
  slowCalls: z.int().min(1).default(20).describe('… when it was called at least this often'),
  heavyRatio: ratio.default(0.2).describe('Share of the time of all statements that makes one heavy'),
  frequentPerSecond: z.number().positive().default(100).describe('Calls that make a statement frequent'),
  explained: z.int().min(0).max(500).default(50).describe('For how many of the costliest the plan is read'),
  slowerFactor: z
    .number()
    .min(1)
    .default(2)
    .describe('A statement is reported as slower than before when its mean time grew by this factor'),
});

const thresholds = z.strictObject({
  unusedIndexBytes: bytes.default(10 * 1024 ** 2).describe('Smaller unused indexes are not worth a word'),
  unusedWindow: durationSchema.prefault('14d').describe('Statistics must be this old before an index counts as unused'),
  indexBloatRatio: ratio.default(0.4),
  indexBloatBytes: bytes.default(100 * 1024 ** 2).describe('Bytes that a REINDEX would give back'),
  tableBloatRatio: ratio.default(0.4),
  tableBloatBytes: bytes.default(256 * 1024 ** 2),
  deadRowsRatio: ratio.default(0.2),
  deadRows: z.int().min(0).default(10_000),
  nullRatio: ratio.default(0.5).describe('NULLs in the first column of an index'),
  nullIndexBytes: bytes.default(10 * 1024 ** 2),
  foreignKeyRows: z.int().min(0).default(1000).describe('A foreign key of a smaller table needs no index'),
  sequentialRows: z.int().min(0).default(10_000).describe('Tables from this size on are expected to be read by index'),
  tableCacheHitRatio: ratio.default(0.95),
  indexCacheHitRatio: ratio.default(0.98),
  hotRatio: ratio.default(0.1).describe('Updates that touch no index'),
  staleStatisticsRatio: ratio.default(0.2).describe('Rows changed since the last ANALYZE'),
  wraparoundWarning: ratio.default(0.5).describe('Share of the 2 billion transaction ids (or multixacts) that is used'),
  wraparoundCritical: ratio.default(0.8),
  sequenceWarning: ratio.default(0.7).describe('Share of the values of a sequence, or of its column, that is used'),
  sequenceCritical: ratio.default(0.9),
  longTransaction: durationSchema.prefault('15m'),
  idleInTransaction: durationSchema.prefault('5m'),
  blocked: durationSchema.prefault('30s'),
  preparedTransaction: durationSchema.prefault('1h'),
  replicationLag: durationSchema.prefault('1m'),
  replicationLagBytes: bytes.default(512 * 1024 ** 2),
  slotRetainedBytes: bytes.default(5 * 1024 ** 3),
  growthRatio: ratio.default(0.1).describe('Growth of the database in seven days'),
  diskRatio: ratio.default(0.8).describe('Of machine.diskBytes'),
  tempBytesPerDay: bytes.default(10 * 1024 ** 3).describe('Temporary files that sorts and hashes spilled'),
  rollbackRatio: ratio.default(0.1),
  deadlocksPerDay: z.number().min(0).default(1),
});

const connections = z.strictObject({
  warning: ratio.default(0.75).describe('Used connections, of those that are not reserved'),
  critical: ratio.default(0.9),
  fullWithin: durationSchema.prefault('14d').describe('A forecast of full within this time is a warning'),
  poolWait: durationSchema.prefault('1s').describe('A client that waits this long for a connection of the pool'),
});

export const databaseSchema = z.strictObject({
  indexes: z.array(declaredIndexSchema).default([]).describe('What is missing or different is reported as drift'),
  indexesStrict: z.boolean().default(false).describe('An index that is not declared is drift as well'),
  machine: machine.prefault({}),
  ignoreSchemas: z.array(z.string().min(1)).default([]).describe('Schemas that analysis leaves alone'),
  statements: slowStatements.prefault({}),
  thresholds: thresholds.prefault({}),
  connections: connections.prefault({}),
  advise: databaseAdviseSchema.prefault({}),
  apply: databaseApplySchema.prefault({}),
  cleanup: databaseCleanupSchema.prefault({}),
  maintain: databaseMaintainSchema.prefault({}),
});

export type DatabaseConfig = z.output<typeof databaseSchema>;
