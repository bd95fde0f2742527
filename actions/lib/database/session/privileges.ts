import { quoteIdent } from '../../postgres/index.ts';
import type { Query } from './session.ts';

/** Something that the role was not shown, and the statement that would show it. */
export interface Unseen {
  what: string;
  grant: string;
}

/** What the role of the session may see beyond what everybody may. */
export interface Privileges {
  role: string;
  isSuperuser: boolean;
  /** Statements and sessions of other roles (`pg_read_all_stats`, part of `pg_monitor`). */
  readsAllStats: boolean;
  /** Every setting (`pg_read_all_settings`, part of `pg_monitor`). */
  readsAllSettings: boolean;
  /** Reads whole relations to measure them (`pg_stat_scan_tables`, part of `pg_monitor`). */
  scansTables: boolean;
  /** `pg_read_all_data`, from 14 on. */
  readsAllData: boolean;
  /** Schemas that hold a table or sequence which the role may not SELECT from: what is known of its columns is hidden. */
  hiddenSchemas: readonly string[];
  hiddenTables: number;
  /** Sequences that it may not SELECT from: how far they have come is hidden. */
  hiddenSequences: number;
}

export async function readPrivileges(query: Query): Promise<Privileges> {
  const [row] = await query<{
    role: string;
    superuser: boolean;
    roles: string[];
    hidden: { schema: string; tables: string; sequences: string }[];
  }>(privilegesQuery);
  const has = (role: string) => row!.superuser || row!.roles.includes(role);
  return {
    role: row!.role,
    isSuperuser: row!.superuser,
    readsAllStats: has('pg_read_all_stats'),
    readsAllSettings: has('pg_read_all_settings'),
    scansTables: has('pg_stat_scan_tables'),
    readsAllData: has('pg_read_all_data'),
    hiddenSchemas: row!.hidden.map(({ schema }) => schema),
    hiddenTables: row!.hidden.reduce((sum, { tables }) => sum + Number(tables), 0),
    hiddenSequences: row!.hidden.reduce((sum, { sequences }) => sum + Number(sequences), 0),
  };
}

// `usage`, not `member`: a role with NOINHERIT is a member and sees nothing. Tables are asked about one by one only where
// no role answers for all of them.
const privilegesQuery = `
  with held as (
    select rolname from pg_catalog.pg_roles
     where rolname in ('pg_read_all_stats', 'pg_read_all_settings', 'pg_stat_scan_tables', 'pg_read_all_data')
       and pg_has_role(oid, 'usage'))
  select current_user::text as role,
         (select rolsuper from pg_catalog.pg_roles where rolname = current_user) as superuser,
         (select coalesce(json_agg(rolname), '[]') from held) as roles,
         (select coalesce(json_agg(hidden order by schema), '[]') from (
            select n.nspname as schema, count(*) filter (where c.relkind <> 'S')::text as tables,
                   count(*) filter (where c.relkind = 'S')::text as sequences
              from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
             where c.relkind in ('r', 'p', 'm', 'S') and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
               and n.nspname !~ '^pg_(toast_)?temp_'
               and not (has_schema_privilege(n.oid, 'usage')
                        and case c.relkind when 'S' then has_sequence_privilege(c.oid, 'select')
                                           else has_table_privilege(c.oid, 'select') end)
             group by n.nspname) hidden) as hidden`;

/** The grants that would show what these privileges hide. */
export function unseenOf(privileges: Privileges, major: number): Unseen[] {
  const role = quoteIdent(privileges.role);
  const unseen: Unseen[] = [];
  if (!privileges.readsAllStats || !privileges.readsAllSettings) {
    unseen.push({
      what: 'Statements and sessions of other roles, and settings that only an administrator may read',
      grant: `GRANT pg_monitor TO ${role};`,
    });
  }
  const { hiddenTables, hiddenSequences } = privileges;
  if (hiddenTables > 0 || hiddenSequences > 0) {
    const tables = hiddenTables === 1 ? 'one table' : `${hiddenTables} tables`;
    const sequences = hiddenSequences === 1 ? 'one sequence has' : `${hiddenSequences} sequences have`;
    const what = [
      ...(hiddenTables > 0
        ? [`column statistics of ${tables} (for bloat, NULLs and row estimates), and plans that read them`]
        : []),
      ...(hiddenSequences > 0 ? [`how far ${sequences} come`] : []),
    ].join('; ');
    unseen.push({
      what: what.charAt(0).toUpperCase() + what.slice(1),
      grant: major >= 14 ? `GRANT pg_read_all_data TO ${role};` : grantBySchema(privileges, role),
    });
  }
  return unseen;
}

/** 13 has no role that reads all data. */
function grantBySchema({ hiddenSchemas, hiddenTables, hiddenSequences }: Privileges, role: string): string {
  const all = [...(hiddenTables > 0 ? ['TABLES'] : []), ...(hiddenSequences > 0 ? ['SEQUENCES'] : [])];
  return hiddenSchemas
    .map(quoteIdent)
    .flatMap(schema => [
      `GRANT USAGE ON SCHEMA ${schema} TO ${role};`,
      ...all.map(kind => `GRANT SELECT ON ALL ${kind} IN SCHEMA ${schema} TO ${role};`),
    ])
    .join(' ');
}
