import { Readable } from 'node:stream';
import type pg from 'pg';
import { type ClientTools, clientProgram } from '../../postgres/index.ts';
import { runChild } from '../../process/index.ts';
import { readPart } from '../parts/part-reader.ts';
import { partOf } from '../sets/manifest.ts';
import type { RestoreOptions } from './restore.ts';

/**
 * What belongs to the database and to nothing in it: its settings, those of roles in it, who may connect, its comment
 * and its limit of connections. pg_dump writes them only for a database that pg_restore makes itself, under the name it
 * had, and `pg_dumpall --roles-only` leaves out what roles have set in one database. It is as secret as rows are: the
 * settings of an application hold keys.
 *
 * @returns a script for psql that gives them to the database it is connected to, whatever its name; undefined: the
 * database is as a new one. What the server refuses, or is for a role that it lacks, becomes a warning.
 */
export async function takeProperties(client: pg.Client, encoding: string): Promise<Buffer | undefined> {
  const { rows } = await client.query<{ statements: Buffer | null }>(
    // In the encoding of the database, as rows are: of SQL_ASCII nothing can be converted.
    `select convert_to(string_agg(format('    (%L, %L, %L, %L, %L)', kind, what, role, head, tail), E',\\n' order by step, what),
                       getdatabaseencoding()) as statements
       from (${statements}) s`,
  );
  const { statements: found } = rows[0]!;
  if (found === null) return undefined;
  let tag = '$properties$';
  while (found.includes(tag)) tag = tag.replace(/\$$/, '_$');
  return Buffer.concat([
    Buffer.from(`SET client_encoding = '${encoding}';\nDO ${tag}\n${opening}`),
    found,
    Buffer.from(`${closing}${tag};\n`),
  ]);
}

/** psql leaves out the privileges when this is set: for a restore without owners and grants. */
const withoutPrivileges = 'production_ops.without_privileges';

const opening = `DECLARE
  s record;
BEGIN
  FOR s IN SELECT * FROM (VALUES
`;
const closing = `
  ) AS s (kind, what, role, head, tail) LOOP
    IF s.kind = 'privilege' AND pg_catalog.current_setting('${withoutPrivileges}', true) = 'on' THEN
      CONTINUE;
    ELSIF s.role IS NOT NULL AND NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = s.role) THEN
      RAISE WARNING '% was not restored: there is no such role', s.what;
    ELSE
      BEGIN
        EXECUTE s.head || pg_catalog.quote_ident(pg_catalog.current_database()) || s.tail;
      EXCEPTION WHEN OTHERS THEN
        RAISE WARNING '% was not restored: %', s.what, SQLERRM;
      END;
    END IF;
  END LOOP;
END
`;

/** Lists of names: as one string they would be one name. GUC_LIST_QUOTE in PostgreSQL's guc_tables.c. */
const lists = `('local_preload_libraries', 'search_path', 'session_preload_libraries', 'shared_preload_libraries',
  'temp_tablespaces', 'unix_socket_directories')`;

/** Where a library of one of these is missing, nobody can connect to the database any more. */
const preloads = `('local_preload_libraries', 'session_preload_libraries')`;

/** Of the list in `value`, e.g. `a, "B c"`. No backslash: `standard_conforming_strings` may be off. */
const eachName = (made: string, between: string) =>
  `(select string_agg(${made}, '${between}' order by n)
      from (select coalesce(replace(m[1], '""', '"'), lower(m[2])) as item, n
              from regexp_matches(value, '"((?:[^"]|"")*)"|([^ ,"]+)', 'g') with ordinality as found(m, n)) items)`;

/** `role` (null: for all of them), `name` and `literal`, what stands behind SET … TO. */
const settings = `
  select role, name, value,
         case when lower(name) in ${lists} then coalesce(${eachName('quote_literal(item)', ', ')}, quote_literal(''))
              else quote_literal(value) end as literal
    from (select r.rolname as role, left(config, strpos(config, '=') - 1) as name,
                 substr(config, strpos(config, '=') + 1) as value
            from pg_database d join pg_db_role_setting s on s.setdatabase = d.oid
            left join pg_roles r on r.oid = s.setrole
           cross join lateral unnest(s.setconfig) as config
           where d.datname = current_database() and (s.setrole = 0 or r.rolname is not null)) stored`;

/** Everybody's but the owner's; `role` is null for PUBLIC. */
const privileges = (acl: string) => `
  select r.rolname as role, a.privilege_type as privilege, a.is_grantable
    from pg_database d cross join lateral aclexplode(${acl}) a left join pg_roles r on r.oid = a.grantee
   where d.datname = current_database() and a.grantee <> d.datdba and (a.grantee = 0 or r.rolname is not null)`;

/**
 * Statements in two halves: the name of the database goes between them. The libraries are loaded first, which fails
 * where a new connection would.
 */
const statements = `
  select 1 as step, 'limit' as kind, 'the limit of connections' as what, null as role, 'ALTER DATABASE ' as head,
         format(' CONNECTION LIMIT %s', datconnlimit) as tail
    from pg_database where datname = current_database() and datconnlimit <> -1
  union all
  select 2, 'comment', 'the comment', null, 'COMMENT ON DATABASE ', format(' IS %L', shobj_description(oid, 'pg_database'))
    from pg_database where datname = current_database() and shobj_description(oid, 'pg_database') is not null
  union all
  select 3, 'setting', format('the setting %s', name) || coalesce(' of role ' || quote_ident(role), ''), role,
         concat(case lower(name)
                  when 'session_preload_libraries' then ${eachName(`format('LOAD %L; ', item)`, '')}
                  when 'local_preload_libraries' then ${eachName(`format('LOAD %L; ', '$libdir/plugins/' || item)`, '')} end,
                coalesce('ALTER ROLE ' || quote_ident(role) || ' IN DATABASE ', 'ALTER DATABASE ')),
         format(' SET %I TO %s', name, literal)
    from (${settings}) s
  union all
  select 4, 'privilege', 'what PUBLIC may no longer do', null, 'REVOKE ALL ON DATABASE ', ' FROM PUBLIC'
    from pg_database where datname = current_database() and datacl is not null
  union all
  select 5, 'privilege', format('the privilege %s of %s', privilege, coalesce('role ' || quote_ident(role), 'PUBLIC')), role,
         format('GRANT %s ON DATABASE ', privilege),
         format(' TO %s%s', coalesce(quote_ident(role), 'PUBLIC'), case when is_grantable then ' WITH GRANT OPTION' end)
    from (${privileges('d.datacl')}) p`;

/**
 * The same as lines of an inventory, one for each thing that a restore must bring back. Values only as hashes: what is
 * missing is named in reports. Libraries that are loaded at each connection are those of a server, not of the data.
 */
export const propertiesInventory = `
  select format('setting %s%s, MD5 %s', name, ' of role ' || quote_ident(role), md5(literal)) as line
    from (${settings}) s where lower(name) not in ${preloads} and $1::oid[] is not null
  union all
  select format('%s may %s', coalesce('role ' || quote_ident(role), 'PUBLIC'),
                string_agg(privilege || case when is_grantable then ' with grant option' else '' end, ', ' order by privilege))
    from (${privileges(`coalesce(d.datacl, acldefault('d', d.datdba))`)}) p group by role
  union all
  select 'PUBLIC may nothing' where not exists (select from (${privileges(`coalesce(d.datacl, acldefault('d', d.datdba))`)}) p where role is null)
  union all
  select format('comment, MD5 %s', md5(shobj_description(oid, 'pg_database')))
    from pg_database where datname = current_database() and shobj_description(oid, 'pg_database') is not null
  union all
  select format('limit of %s connections', datconnlimit) from pg_database where datname = current_database() and datconnlimit <> -1`;

/** The last step of a restore: a limit of time or a session that is read-only by default would be in the way of others. */
export async function restoreProperties(tools: ClientTools, options: RestoreOptions): Promise<void> {
  const part = partOf(options.manifest, 'properties');
  if (!part) return;
  const script = async function* () {
    if (options.noOwner) yield Buffer.from(`SET ${withoutPrivileges} = 'on';\n`);
    yield* readPart(options.storage, part, options);
  };
  const { stderr } = await runChild({
    ...clientProgram(options.target, {
      command: tools.psql,
      args: ['-X', '-q', '-v', 'ON_ERROR_STOP=1', '-v', 'VERBOSITY=terse'],
      signal: options.signal,
      errorCode: 'PG_RESTORE',
      name: 'psql',
    }),
    input: Readable.from(script()),
  });
  for (const [, warning] of stderr.matchAll(/WARNING: {2}(.+)$/gm)) {
    options.log.warn(`${options.target.display}: ${warning}`);
  }
}
