import { Readable } from 'node:stream';
import type pg from 'pg';
import { OpsError } from '../../errors/index.ts';
import {
  type ClientTools,
  clientProgram,
  connect,
  findClientTools,
  type PostgresTarget,
  serverFacts,
  withoutTimeLimits,
  workFailure,
} from '../../postgres/index.ts';
import { runChild } from '../../process/index.ts';
import { readPart } from '../parts/part-reader.ts';
import { type DatabaseManifest, partOf } from '../sets/manifest.ts';
import type { RestoreOptions } from './restore.ts';

/** Checks the target before anything is changed in it, and empties it when told to. */
export async function prepareTarget(
  options: RestoreOptions,
): Promise<{ tools: ClientTools; withTablespaces: boolean }> {
  const { manifest, target } = options;
  const client = await connect(target, {
    applicationName: 'production-ops restore',
    signal: options.signal,
    settings: withoutTimeLimits,
  });
  try {
    const facts = await serverFacts(client);
    if (facts.major < manifest.database.major) {
      throw new OpsError(
        'RESTORE_MAJOR',
        `The set is of PostgreSQL ${manifest.database.major} and ${target.display} is ${facts.major}`,
        {
          hint: `Restore into PostgreSQL ${manifest.database.major} or later.`,
          exit: 'usage',
        },
      );
    }
    const tools = await findClientTools(facts.major, { signal: options.signal });
    const inTheWay = await userObjects(client);
    if (inTheWay.length > 0 && !options.force) throw notEmpty(inTheWay, target);
    if (options.withRoles) await restoreRoles(tools, options);
    if (!options.noOwner) await assertRolesExist(client, manifest);
    const withTablespaces = await hasTablespaces(client, options);
    if (options.force) await emptyDatabase(client, facts.major, options);
    return { tools, withTablespaces };
  } catch (error) {
    throw await workFailure(error, target, client);
  } finally {
    await client.end().catch(() => {});
  }
}

async function assertRolesExist(client: pg.Client, manifest: DatabaseManifest): Promise<void> {
  const { rows } = await client.query<{ name: string }>(
    'select wanted as name from unnest($1::text[]) as wanted where not exists (select 1 from pg_roles where rolname = wanted) order by 1',
    [manifest.database.roles],
  );
  if (rows.length === 0) return;
  const names = rows.map(row => row.name);
  throw new OpsError(
    'RESTORE_ROLE',
    `The target lacks ${names.length === 1 ? 'the role' : 'the roles'} ${names.join(', ')}, who own or may use what is restored`,
    {
      hint: 'Add --roles to create them (without passwords), or --no-owner to leave owners and grants out.',
      exit: 'usage',
    },
  );
}

async function hasTablespaces(client: pg.Client, { manifest, target, log }: RestoreOptions): Promise<boolean> {
  const { rows } = await client.query<{ name: string }>(
    'select wanted as name from unnest($1::text[]) as wanted where not exists (select 1 from pg_tablespace where spcname = wanted) order by 1',
    [manifest.database.tablespaces],
  );
  if (rows.length === 0) return true;
  log.warn(
    `${target.display} lacks the tablespaces ${rows.map(row => row.name).join(', ')}: everything goes to its default one`,
  );
  return false;
}

function notEmpty(names: readonly string[], target: PostgresTarget): OpsError {
  const named = `${names.slice(0, 3).join(', ')}${names.length > 3 ? ', …' : ''}`;
  return new OpsError(
    'RESTORE_NOT_EMPTY',
    `${target.display} is not empty: it has ${names.length} ${names.length === 1 ? 'object' : 'objects'} (${named})`,
    {
      hint: 'Restore into a new database, or add --force, which drops everything in this one first.',
      exit: 'usage',
    },
  );
}

const isOfUser = (schema: string) =>
  `${schema}.nspname not in ('pg_catalog', 'information_schema') and ${schema}.nspname !~ '^pg_'`;
const isOfExtension = (catalog: string, oid: string) =>
  `exists (select 1 from pg_depend d where d.classid = '${catalog}'::regclass and d.objid = ${oid} and d.deptype = 'e')`;

/** What would be in the way of a restore. Extensions may be there: a hosted server often brings some. */
async function userObjects(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(`
    select format('%I.%I', n.nspname, c.relname) as name
      from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S', 'c') and ${isOfUser('n')} and not ${isOfExtension('pg_class', 'c.oid')}
    union all
    select format('%I.%I()', n.nspname, p.proname) from pg_proc p join pg_namespace n on n.oid = p.pronamespace
     where ${isOfUser('n')} and not ${isOfExtension('pg_proc', 'p.oid')}
    union all
    select format('%I.%I', n.nspname, t.typname) from pg_type t join pg_namespace n on n.oid = t.typnamespace
     where t.typtype in ('d', 'e', 'r') and ${isOfUser('n')} and not ${isOfExtension('pg_type', 't.oid')}
    union all
    select format('schema %I', n.nspname) from pg_namespace n
     where ${isOfUser('n')} and n.nspname <> 'public' and not ${isOfExtension('pg_namespace', 'n.oid')}
    union all
    (select format('large object %s', m.oid) from pg_largeobject_metadata m order by m.oid limit 1000)`);
  return rows.map(row => row.name);
}

/** In this order: event triggers would fire, and extensions may lie in schemas that are no one's to drop. */
const dropStatements = `
  select 1 as step, format('drop event trigger %I', evtname) as statement from pg_event_trigger
   where not ${isOfExtension('pg_event_trigger', 'oid')}
  union all select 2, format('drop publication %I', pubname) from pg_publication
  union all select 3, format('drop extension if exists %I cascade', extname) from pg_extension
             where extname <> 'plpgsql' and pg_has_role(extowner, 'usage')
  union all select 4, format('drop schema if exists %I cascade', n.nspname) from pg_namespace n where ${isOfUser('n')}
  union all select 5, format('drop foreign data wrapper if exists %I cascade', fdwname) from pg_foreign_data_wrapper
             where not ${isOfExtension('pg_foreign_data_wrapper', 'oid')}
  union all select 5, format('drop language if exists %I cascade', lanname) from pg_language
             where oid >= 16384 and not ${isOfExtension('pg_language', 'oid')}
  union all select 5, format('drop access method if exists %I cascade', amname) from pg_am
             where oid >= 16384 and not ${isOfExtension('pg_am', 'oid')}
  union all select 5, format('drop cast if exists (%s as %s)', format_type(castsource, null), format_type(casttarget, null))
              from pg_cast where oid >= 16384 and not ${isOfExtension('pg_cast', 'oid')}
  union all select step, format('alter default privileges for role %s %s', d.defaclrole::regrole, format(change, kind.word))
              from pg_default_acl d
              join (values ('r', 'tables'), ('S', 'sequences'), ('f', 'functions'), ('T', 'types'), ('n', 'schemas')) kind(letter, word)
                on kind.letter = d.defaclobjtype::text
             cross join lateral (
               select 6 as step, format('revoke all on %%s from %s', case grantee when 0 then 'public' else grantee::regrole::text end) as change
                 from aclexplode(d.defaclacl)
               -- An entry that says what is so without it vanishes.
               union all select 7, format('grant all on %%s to %s', d.defaclrole::regrole)
               union all select 7, 'grant all on %s to public' where d.defaclobjtype in ('f', 'T')) changes
             where d.defaclnamespace = 0
   order by step`;

const largeObjectsPerTransaction = 1000;

/** Everything that a dump of a database holds goes, in one transaction; the schema public is made as a new database has it. */
async function emptyDatabase(client: pg.Client, major: number, options: RestoreOptions): Promise<void> {
  options.log.warn(`Dropping everything in ${options.target.display}, as --force says`);
  await client.query('begin');
  await client.query(`set local client_min_messages = warning; set local search_path = ''`);
  for (const { statement } of (await client.query<{ statement: string }>(dropStatements)).rows) {
    await client.query(statement);
  }
  await client.query(
    major >= 15
      ? 'create schema public authorization pg_database_owner; grant usage on schema public to public'
      : 'create schema public; grant all on schema public to public',
  );
  await client.query(`comment on schema public is 'standard public schema'`);
  await client.query('commit');
  // Each one is a lock, and a server has room for some thousands of them.
  for (let removed = largeObjectsPerTransaction; removed === largeObjectsPerTransaction; ) {
    const { rowCount } = await client.query(
      `select lo_unlink(oid) from (select oid from pg_largeobject_metadata limit ${largeObjectsPerTransaction}) as batch`,
    );
    removed = rowCount ?? 0;
  }
}

async function restoreRoles(tools: ClientTools, options: RestoreOptions): Promise<void> {
  const part = partOf(options.manifest, 'roles');
  if (!part) return;
  // Roles that exist make their CREATE ROLE fail, and that is right: their attributes stay as they are.
  await runChild({
    ...clientProgram(options.target, {
      command: tools.psql,
      args: ['-X', '-q'],
      signal: options.signal,
      errorCode: 'PG_RESTORE',
      name: 'psql',
    }),
    input: Readable.from(readPart(options.storage, part, options)),
  });
}
