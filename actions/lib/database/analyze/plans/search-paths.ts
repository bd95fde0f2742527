import { quoteIdent } from '../../../postgres/index.ts';
import type { DatabaseSession } from '../../session/index.ts';
import { systemSchema } from '../facts/relations.ts';

/** The search_path in which the statements of a role are to be read. */
export type SearchPaths = (role: number | undefined) => string;

/**
 * `pg_stat_statements` does not say by which search_path a name was found. What the role or the database has as a setting
 * is taken, else the default; behind it come all other schemas, since an application may set one when it connects.
 */
export async function readSearchPaths(session: DatabaseSession): Promise<SearchPaths> {
  const settings = await session.rows<{ role: number; database: number; path: string }>(
    `select s.setrole::int8::float8 as role, s.setdatabase::int8::float8 as database,
            substring(c from '^search_path=(.*)$') as path
       from pg_catalog.pg_db_role_setting s cross join unnest(s.setconfig) c
      where c like 'search_path=%'
        and s.setdatabase in (0, (select oid from pg_catalog.pg_database where datname = current_database()))`,
  );
  const roles = await session.rows<{ oid: number; name: string }>(
    'select oid::int8::float8 as oid, rolname as name from pg_catalog.pg_roles',
  );
  const schemas = await session.rows<{ name: string }>(
    `select nspname as name from pg_catalog.pg_namespace where not ${systemSchema('nspname')} order by nspname limit 200`,
  );
  const names = new Map(roles.map(({ oid, name }) => [oid, name]));
  const others = schemas.map(({ name }) => quoteIdent(name));
  return role => {
    // As the server ranks them: role in database, role, database, all.
    const ranked = settings
      .filter(setting => setting.role === role || setting.role === 0)
      .sort((a, b) => rank(b) - rank(a));
    const path = ranked[0]?.path ?? '"$user", public';
    const own = role === undefined ? undefined : names.get(role);
    const first = path.replaceAll(/"?\$user"?/g, () => (own === undefined ? 'public' : quoteIdent(own)));
    return [first, ...others].filter(Boolean).join(', ');
  };
}

function rank({ role, database }: { role: number; database: number }): number {
  return (role === 0 ? 0 : 2) + (database === 0 ? 0 : 1);
}
