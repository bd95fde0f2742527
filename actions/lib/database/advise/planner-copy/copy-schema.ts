import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import {
  connect,
  findClientTools,
  libpqEnv,
  type PostgresTarget,
  serverFacts,
  startThrowawayServer,
  type ThrowawayServer,
} from '../../../postgres/index.ts';
import { runChild } from '../../../process/index.ts';

export interface SchemaCopy {
  server: ThrowawayServer;
  /** What the copy lacks, one line each. */
  notes: string[];
}

/**
 * A throw-away PostgreSQL of the source's own major with its schema and no rows. Objects that cannot be made here (an
 * extension that is not installed) are left out, and said. Reads the source with AccessShare locks only.
 * Codes: PG_CLIENT_MISSING; PG_SERVER_MISSING; PG_SERVER_START; PG_DUMP; those of `pgError`.
 */
export async function copySchema(
  source: PostgresTarget,
  sourceClient: pg.Client,
  options: { signal?: AbortSignal; binDirs?: readonly string[] } = {},
): Promise<SchemaCopy> {
  const facts = await serverFacts(sourceClient);
  // What a newer pg_dump writes is loaded all the same: a setting that this server does not know is passed over.
  const tools = await findClientTools(facts.major, { ...options, orNewer: true });
  const folder = await mkdtemp(join(tmpdir(), 'ops-schema-'));
  const server = await startThrowawayServer({
    major: facts.major,
    purpose: 'what-if questions',
    encoding: facts.encoding,
    locale: facts.collate,
    // Statistics are written by hand here, and autovacuum would replace them by those of empty tables.
    settings: { autovacuum: false, max_connections: 8 },
    ...options,
  });
  try {
    const file = join(folder, 'schema.sql');
    await runChild({
      command: tools.pgDump,
      args: [
        '--schema-only',
        '--no-owner',
        '--no-privileges',
        '--no-tablespaces',
        '--no-publications',
        '--no-subscriptions',
        '--no-security-labels',
        '--file',
        file,
      ],
      env: libpqEnv(source),
      signal: options.signal,
      timeoutMs: 600_000,
      errorCode: 'PG_DUMP',
      name: 'pg_dump --schema-only',
    });
    const notes = [...server.notes, ...(await load(server, tools.psql, file, options.signal))];
    return { server, notes };
  } catch (thrown) {
    await server.stop();
    throw thrown;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** psql goes on after an error, so that one missing extension costs only what needs it. */
async function load(
  server: ThrowawayServer,
  psql: string,
  file: string,
  signal: AbortSignal | undefined,
): Promise<string[]> {
  // The schema names its roles only in what --no-owner and --no-privileges leave out; policies still do.
  const sql = await readFile(file, 'utf8');
  const roles = new Set(
    [...sql.matchAll(/^CREATE POLICY .* TO ("(?:[^"]|"")+"|[a-z_][\w$]*)/gm)].map(match => match[1]!),
  );
  if (roles.size > 0) {
    const client = await connect(server.target, { signal });
    try {
      for (const role of roles)
        if (!/^(public|current_user|session_user)$/i.test(role))
          await client.query(`CREATE ROLE ${role}`).catch(() => {});
    } finally {
      await client.end();
    }
  }
  const { stderr } = await runChild({
    command: psql,
    args: ['--no-psqlrc', '--quiet', '--set', 'ON_ERROR_STOP=0', '--output', '/dev/null', '--file', file],
    env: libpqEnv(server.target),
    signal,
    timeoutMs: 600_000,
    errorCode: 'PG_RESTORE',
    name: 'psql',
  });
  const errors = stderr.split('\n').filter(line => /ERROR:(?!.*unrecognized configuration parameter)/.test(line));
  const missing = errors.flatMap(line => /extension "([^"]+)" is not available/.exec(line)?.[1] ?? []);
  return [
    ...[...new Set(missing)].map(
      name => `The extension ${name} is not installed on this machine: what needs it could not be copied.`,
    ),
    ...(errors.length > missing.length && missing.length === 0
      ? [
          `${errors.length} statements of the schema could not be repeated on the copy; the first: ${errors[0]!.replace(/^.*ERROR:\s*/, '')}`,
        ]
      : []),
  ];
}
