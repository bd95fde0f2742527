import { z } from 'zod';

const counts = z.array(z.strictObject({ name: z.string(), connections: z.int() }));

export const poolSchema = z.strictObject({
  database: z.string(),
  user: z.string(),
  mode: z.string(),
  clientsActive: z.int(),
  clientsWaiting: z.int(),
  serversActive: z.int(),
  serversIdle: z.int(),
  maxWaitSeconds: z.number().describe('How long the oldest waiting client has waited'),
});
export type PoolData = z.infer<typeof poolSchema>;

export const poolStatsSchema = z.strictObject({
  database: z.string(),
  transactionsPerSecond: z.number(),
  queriesPerSecond: z.number(),
  transactionMs: z.number().describe('On average'),
  queryMs: z.number(),
  waitMs: z.number().describe('Mean wait of a client for a server'),
});

export const connectionsDataSchema = z.strictObject({
  database: z.string(),
  used: z.int().describe('Connections of clients to the whole server'),
  max: z.int().describe('max_connections'),
  reserved: z.int().describe('Kept for superusers and pg_use_reserved_connections'),
  usedRatio: z.number().describe('Of those that are not reserved'),
  byState: counts,
  byUser: counts,
  byApplication: counts,
  byDatabase: counts,
  byWait: counts.describe('What active sessions wait for'),
  idleInTransaction: z.int(),
  oldestIdleInTransactionSeconds: z.number().nullable(),
  oldest: z
    .strictObject({ pid: z.int(), user: z.string().nullable(), application: z.string(), seconds: z.number() })
    .nullable(),
  oldestTransactionSeconds: z.number().nullable(),
  hidden: z.int().describe('Sessions of others, of which the role is shown the number alone'),
  forecast: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('too short'), points: z.int(), days: z.number() }),
    z.strictObject({ kind: z.literal('not growing') }),
    z.strictObject({ kind: z.literal('full'), at: z.iso.datetime(), days: z.number() }),
  ]),
  pooler: z
    .strictObject({ version: z.string(), pools: z.array(poolSchema), stats: z.array(poolStatsSchema) })
    .nullable()
    .describe('PgBouncer, when PGBOUNCER_ADMIN_URL is set'),
  poolerProblem: z.string().nullable(),
  unseen: z.array(z.strictObject({ what: z.string(), grant: z.string() })),
});
export type ConnectionsData = z.infer<typeof connectionsDataSchema>;
