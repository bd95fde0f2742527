import { z } from 'zod';
import { alertsSchema } from './alerts-schema.ts';
import { databaseSchema } from './database-schema.ts';
import { watchdogSchema } from './watchdog-schema.ts';

/**
 * The shape of `.github/ops.yml`. `.github/ops.schema.json` is generated from it (`npm run build`), so an editor
 * completes and checks the file. Secrets are never in it: they come from the environment.
 */

const tablePattern = z
  .string()
  .min(1)
  .describe('schema.table or table; * and ? match within a name, e.g. "public.audit_*"');

const localDestination = z.strictObject({
  kind: z.literal('local'),
  path: z.string().min(1).describe('Folder that keeps the sets; relative to the working directory'),
});

const s3Destination = z.strictObject({
  kind: z.literal('s3'),
  bucket: z.string().min(3),
  region: z.string().default('us-east-1'),
  endpoint: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe('For S3-compatible stores; path-style addressing is used'),
  prefix: z.string().default('').describe('Keys start with this, e.g. "shop/"'),
  maxParts: z
    .int()
    .min(100)
    .max(10_000)
    .default(10_000)
    .describe('The most parts of one upload the store takes (AWS 10,000, Scaleway 1,000)'),
});

const ftpDestination = z.strictObject({
  kind: z.literal('ftp').describe('The URL with its password is BACKUP_FTP_URL in the environment'),
});

const assertion = z.strictObject({
  name: z.string().min(1),
  sql: z.string().min(1).describe('One query that returns one row with one column'),
  expect: z
    .union([z.string(), z.number(), z.boolean()])
    .default(true)
    .describe('What the query must return; compared as text. Default: true'),
  database: z.string().optional().describe('Only for this database; default: every database'),
});

const retention = z.strictObject({
  daily: z.int().min(0).default(7),
  weekly: z.int().min(0).default(5),
  monthly: z.int().min(0).default(12),
  yearly: z.int().min(0).default(3),
  proved: z.int().min(1).default(2).describe('At least this many proved sets stay, however old they are'),
});

const backup = z.strictObject({
  jobs: z.int().min(1).max(64).default(2).describe('Connections that copy rows at the same time'),
  compressionLevel: z.int().min(1).max(19).default(1).describe('zstd level'),
  recipients: z.array(z.string()).default([]).describe('age public keys (age1…); empty: not encrypted'),
  destinations: z
    .array(z.discriminatedUnion('kind', [localDestination, s3Destination, ftpDestination]))
    .default([])
    .describe('Every backup goes to all of them'),
  database: z
    .strictObject({
      databases: z
        .array(z.string().min(1))
        .default([])
        .describe('Databases on the server of DATABASE_URL; empty: the one the URL names; "*": all of them'),
      includeTables: z.array(tablePattern).default([]).describe('Only these tables; empty: all'),
      excludeTables: z.array(tablePattern).default([]).describe('Tables left out altogether'),
      excludeTableData: z.array(tablePattern).default([]).describe('Tables whose definition is kept and rows are not'),
      fingerprints: z.enum(['sample', 'full']).default('sample').describe('How much content a drill can compare'),
      fullEveryDays: z.int().min(1).max(366).default(7).describe('At least this often every row is sent again'),
    })
    .prefault({}),
  files: z
    .strictObject({
      paths: z.array(z.string().min(1)).default([]).describe('Folders to back up'),
      exclude: z.array(z.string().min(1)).default([]).describe('GNU tar patterns, e.g. "*.tmp"'),
      fullEveryDays: z.int().min(1).max(366).default(7).describe('A full set this often, incremental ones between'),
    })
    .prefault({}),
  retention: retention.prefault({}),
});

const drill = z.strictObject({
  objectives: z
    .strictObject({
      rtoSeconds: z
        .number()
        .positive()
        .default(4 * 3600)
        .describe('Recovery time objective: fetch to verified'),
      rpoSeconds: z
        .number()
        .positive()
        .default(30 * 3600)
        .describe('Recovery point objective: age of the snapshot'),
    })
    .prefault({}),
  assertions: z.array(assertion).default([]).describe('Questions about the restored data that only you know'),
});

export const configSchema = z.strictObject({
  platform: z.string().min(1).default('platform').describe('Name of what is operated, for reports and issues'),
  backup: backup.prefault({}),
  drill: drill.prefault({}),
  database: databaseSchema.prefault({}),
  reports: z
    .strictObject({
      path: z.string().min(1).default('reports').describe('Folder of the reports'),
      publish: z
        .boolean()
        .optional()
        .describe(
          'false: runs in GitHub Actions commit no report and announce nothing. true: they must, and fail without GITHUB_TOKEN. Default: they do when this file is there and GITHUB_TOKEN is given, except on a push to another branch. Never for a pull request',
        ),
      branch: z
        .string()
        .min(1)
        .optional()
        .describe(
          'Branch that runs in GitHub Actions commit their reports to; made when missing. Default: the default branch. Name another one when that is protected',
        ),
    })
    .prefault({}),
  alerts: alertsSchema.prefault({}),
  watchdog: watchdogSchema.prefault({}),
  log: z
    .strictObject({
      level: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
      format: z.enum(['text', 'json']).default('text'),
    })
    .prefault({}),
});

export type Config = z.output<typeof configSchema>;
export type DestinationConfig = Config['backup']['destinations'][number];
export type RetentionConfig = Config['backup']['retention'];
export type AssertionConfig = Config['drill']['assertions'][number];

/** The JSON Schema of the file, for editors. */
export function configJsonSchema(): unknown {
  return z.toJSONSchema(configSchema, { io: 'input' });
}
