import { z } from 'zod';
import { durationSchema } from './duration.ts';

/** What changes the database: `database.apply` of `.github/ops.yml`. */

const gib = 1024 ** 3;
const bytes = z.int().min(0);
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

export type DatabaseApplyConfig = z.output<typeof databaseApplySchema>;
