import { z } from 'zod';
import { durationSchema } from './duration.ts';

/** What changes the database: `database.apply`, `database.cleanup` and `database.maintain` of `.github/ops.yml`. */

const gib = 1024 ** 3;
const bytes = z.int().min(0);
const ratio = z.number().min(0).max(1);
const tableName = z
  .string()
  .regex(/^[^.]+(\.[^.]+)?$/, 'must be table or schema.table')
  .describe('schema.table, or a table of the schema public');

export const databaseApplySchema = z.strictObject({
  lockTimeout: durationSchema
    .refine(seconds => seconds >= 30, 'must be at least 30s: a CONCURRENTLY that is cut short leaves an invalid index')
    .prefault('5m')
    .describe('How long CONCURRENTLY waits for a lock'),
  buildTimeout: durationSchema.prefault('4h').describe('The longest a single build may take'),
  patience: durationSchema
    .prefault('5m')
    .describe('How long old transactions and late replicas are waited for before a change is put off'),
  oldTransaction: durationSchema.prefault('1m').describe('A transaction older than this is waited for before a build'),
  attempts: z.int().min(1).max(10).default(3),
  maxIndexBytes: bytes.default(50 * gib).describe('Larger indexes are refused'),
  reserveBytes: bytes.default(gib).describe('Stays free on the disk, beside twice the size of the index'),
  replicaLag: durationSchema.prefault('1m').describe('No build begins while a replica is further behind'),
  stopReplicaLag: durationSchema.prefault('10m').describe('A build is stopped when a replica is further behind'),
  slotRetainedBytes: bytes
    .default(10 * gib)
    .describe('No build begins while a slot holds more WAL back; at twice as much one is stopped'),
});

const retentionRule = z.strictObject({
  table: tableName,
  column: z.string().min(1).describe('Of type timestamptz, timestamp (read as UTC) or date: how old a row is'),
  olderThan: durationSchema.refine(seconds => seconds >= 3600, 'must be at least 1h').describe('e.g. 90d'),
  condition: z
    .string()
    .min(1)
    .optional()
    .describe("SQL: only rows for which it is true as well, e.g. status = 'cancelled'"),
  archive: z.boolean().default(true).describe('Copied to every backup destination, and read back, before they go'),
  batchRows: z.int().min(1).max(100_000).default(5000).describe('The most rows of one transaction'),
  maxRowsPerRun: z.int().min(1).default(1_000_000).describe('The next run goes on'),
});

export const databaseCleanupSchema = z.strictObject({
  rules: z.array(retentionRule).default([]).describe('Rows that are older than this are deleted'),
  batchTime: durationSchema
    .refine(seconds => seconds > 0, 'must be more than 0s')
    .prefault('1s')
    .describe('What a batch should take: the number of its rows follows'),
  lockTimeout: durationSchema
    .refine(seconds => seconds > 0, 'must be more than 0s')
    .prefault('1s')
    .describe('A batch waits this long for a lock, and is put off then'),
  maxTime: durationSchema.prefault('1h').describe('Then a run ends; the next one goes on'),
  activeSessions: z
    .int()
    .min(1)
    .optional()
    .describe('Pause while more other sessions than this are at work. Default: machine.cores, if given'),
  lockWaits: z.int().min(0).default(5).describe('Pause while more sessions than this wait for a lock'),
  replicaLag: durationSchema.prefault('10s').describe('Pause while a replica is further behind'),
  keepArchives: durationSchema
    .refine(seconds => seconds >= 86_400, 'must be at least 1d')
    .optional()
    .describe('Archived rows are removed from the destinations after this. Default: never'),
  vacuumRatio: ratio.default(0.1).describe('Share of the rows of a table that was deleted, to be worth a VACUUM'),
});

export const databaseMaintainSchema = z.strictObject({
  staleRatio: ratio.default(0.1).describe('Share of rows changed since the last ANALYZE that makes statistics stale'),
  staleRows: z.int().min(0).default(1000).describe('… and at least so many'),
  maxTables: z.int().min(1).default(200).describe('Tables that one run analyses, the stalest first'),
  lockTimeout: durationSchema.refine(seconds => seconds > 0, 'must be more than 0s').prefault('5s'),
  statementTimeout: durationSchema.refine(seconds => seconds > 0, 'must be more than 0s').prefault('2m'),
});

export type DatabaseApplyConfig = z.output<typeof databaseApplySchema>;
export type DatabaseCleanupConfig = z.output<typeof databaseCleanupSchema>;
export type DatabaseMaintainConfig = z.output<typeof databaseMaintainSchema>;
export type RetentionRule = z.output<typeof retentionRule>;
