import type pg from 'pg';

export interface ServerFacts {
  /** `15.18`, `18beta1` */
  version: string;
  /** `150018` */
  versionNum: number;
  major: number;
  /** Of the cluster, the same on its replicas; null where the role may not ask (some hosted servers). */
  systemIdentifier: string | null;
  timeline: number | null;
  isInRecovery: boolean;
  isSuperuser: boolean;
  database: string;
  databaseOid: number;
  encoding: string;
  localeProvider: 'libc' | 'icu' | 'builtin';
  collate: string;
  ctype: string;
  /** The locale of an `icu` or `builtin` provider. */
  icuLocale?: string;
  databaseSizeBytes: number;
}

/**
 * What a dump must know about its server and database. PostgreSQL 13 to 18, without superuser, inside or outside a
 * transaction. Throws what pg throws (see `pgError`).
 */
export async function serverFacts(client: pg.Client): Promise<ServerFacts> {
  const { rows } = await client.query<FactsRow>(factsQuery);
  const row = rows[0]!;
  const versionNum = Number(row.version_num);
  const facts: ServerFacts = {
    version: row.version.split(' ')[0] ?? row.version,
    versionNum,
    major: Math.floor(versionNum / 10_000),
    systemIdentifier: row.may_ask_system ? await optional(client, systemQuery) : null,
    timeline: numberOrNull(await optional(client, row.is_in_recovery ? replicaTimelineQuery : timelineQuery)),
    isInRecovery: row.is_in_recovery,
    isSuperuser: row.is_superuser,
    database: row.database,
    databaseOid: Number(row.oid),
    encoding: row.encoding,
    localeProvider: providers[row.provider ?? 'c'] ?? 'libc',
    collate: row.collate,
    ctype: row.ctype,
    databaseSizeBytes: Number(row.size),
  };
  if (row.locale !== null) facts.icuLocale = row.locale;
  return facts;
}

interface FactsRow {
  version: string;
  version_num: string;
  is_in_recovery: boolean;
  is_superuser: boolean;
  may_ask_system: boolean | null;
  database: string;
  oid: string;
  encoding: string;
  provider: string | null;
  collate: string;
  ctype: string;
  locale: string | null;
  size: string;
}

const providers: Record<string, ServerFacts['localeProvider']> = { c: 'libc', i: 'icu', b: 'builtin', d: 'libc' };

// to_jsonb reads the columns that only some majors have: datlocprovider (15), daticulocale (15, 16), datlocale (17).
const factsQuery = `
  select current_setting('server_version') as version,
         current_setting('server_version_num') as version_num,
         pg_is_in_recovery() as is_in_recovery,
         (select rolsuper from pg_catalog.pg_roles where rolname = current_user) as is_superuser,
         has_function_privilege(to_regprocedure('pg_catalog.pg_control_system()'), 'execute') as may_ask_system,
         d.datname as database,
         d.oid::text as oid,
         pg_encoding_to_char(d.encoding) as encoding,
         to_jsonb(d) ->> 'datlocprovider' as provider,
         d.datcollate as collate,
         d.datctype as ctype,
         coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale') as locale,
         pg_database_size(d.oid)::text as size
    from pg_catalog.pg_database d
   where d.datname = current_database()`;

const systemQuery = 'select system_identifier::text as value from pg_catalog.pg_control_system()';

// The name of the running WAL file starts with the timeline, and is right at once after a promotion; the control file
// follows only with the next checkpoint.
const timelineQuery = `
  select ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int::text as value`;
const replicaTimelineQuery = 'select timeline_id::text as value from pg_catalog.pg_control_checkpoint()';

/** One value, or null where the server does not give it: Aurora and others have the functions and refuse the call. */
async function optional(client: pg.Client, query: string): Promise<string | null> {
  const isInTransaction = client.getTransactionStatus() === 'T';
  if (isInTransaction) await client.query('savepoint production_ops_fact');
  try {
    const { rows } = await client.query<{ value: string | null }>(query);
    if (isInTransaction) await client.query('release savepoint production_ops_fact');
    return rows[0]?.value ?? null;
  } catch (thrown) {
    // An answer of the server means "not here"; a lost connection is no fact about the server.
    if ((thrown as { severity?: string }).severity !== 'ERROR') throw thrown;
    if (isInTransaction) await client.query('rollback to savepoint production_ops_fact');
    return null;
  }
}

function numberOrNull(text: string | null): number | null {
  return text === null ? null : Number(text);
}
