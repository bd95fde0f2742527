import type pg from 'pg';
import { formatDuration } from '../../log/index.ts';

/** Something that a build would wait for, or that would wait for it. */
export interface Obstacle {
  kind: 'old snapshot' | 'writer' | 'prepared transaction' | 'other work';
  /** Null: a prepared transaction has no process. */
  pid: number | null;
  seconds: number | null;
  text: string;
}

export interface Obstacles {
  found: Obstacle[];
  /** What the role cannot see, and the grant that would show it. */
  unseen: string | null;
}

/**
 * CREATE INDEX CONCURRENTLY waits for every transaction that writes to the table, and at its end for every snapshot of
 * this database that is older than its own, whatever it reads. While it waits it holds back vacuum and is not done, so
 * what will keep it waiting is looked for before it begins.
 * https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY
 */
export async function findObstacles(
  client: pg.Client,
  tableOid: string,
  own: { pids: readonly number[]; oldTransactionSeconds: number },
): Promise<Obstacles> {
  const { rows } = await client.query<Row>(query, [tableOid, own.pids, own.oldTransactionSeconds]);
  const { rows: seen } = await client.query<{ all: boolean }>(
    `select pg_catalog.pg_has_role('pg_read_all_stats', 'usage')
            or (select rolsuper from pg_catalog.pg_roles where rolname = current_user) as all`,
  );
  return {
    found: rows.map(asObstacle),
    unseen: seen[0]!.all
      ? null
      : 'the age of transactions of other roles is not shown to this role: GRANT pg_read_all_stats TO it',
  };
}

interface Row {
  kind: Obstacle['kind'];
  pid: number | null;
  seconds: number | null;
  who: string | null;
  state: string | null;
  mode: string | null;
  prepared: string | null;
}

// The text of a statement is not read: it may hold what nobody else should see. Vacuum sets its snapshot aside for
// builds; an autovacuum steps back for whoever waits, unless it runs against wraparound.
const query = `
  with holders as (
    select l.pid, l.virtualtransaction, max(l.mode) filter (where l.mode <> 'RowExclusiveLock') as mode,
           bool_or(l.mode = 'RowExclusiveLock') as writes
      from pg_catalog.pg_locks l
     where l.locktype = 'relation' and l.granted and l.relation = $1::oid
       and l.database = (select oid from pg_catalog.pg_database where datname = current_database())
       and l.mode in ('RowExclusiveLock', 'ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock',
                      'ExclusiveLock', 'AccessExclusiveLock')
       and (l.pid is null or not l.pid = any ($2::int[]))
     group by l.pid, l.virtualtransaction)
  select case when h.pid is null then 'prepared transaction' when h.mode is not null then 'other work' else 'writer' end as kind,
         h.pid, extract(epoch from now() - a.xact_start)::float8 as seconds,
         concat_ws(', ', a.usename, nullif(a.application_name, ''), nullif(a.backend_type, 'client backend')) as who,
         a.state, h.mode,
         case when h.pid is null then
           (select p.gid
              from pg_catalog.pg_locks x join pg_catalog.pg_prepared_xacts p on p.transaction = x.transactionid
             where x.locktype = 'transactionid' and x.pid is null and x.virtualtransaction = h.virtualtransaction
             limit 1) end as prepared
    from holders h left join pg_catalog.pg_stat_activity a on a.pid = h.pid
   where h.pid is null
      or (h.mode is not null and not (a.backend_type is not distinct from 'autovacuum worker'
                                      and a.query not like '%to prevent wraparound%'))
      or (h.mode is null and extract(epoch from now() - a.xact_start) > $3)
   union all
  select 'old snapshot', a.pid, extract(epoch from now() - a.xact_start)::float8,
         concat_ws(', ', a.usename, nullif(a.application_name, '')), a.state, null, null
    from pg_catalog.pg_stat_activity a
   where a.datname = current_database() and a.backend_xmin is not null and not a.pid = any ($2::int[])
     and a.backend_type = 'client backend'
     and extract(epoch from now() - a.xact_start) > $3
     and a.query !~* '^\\s*vacuum'
     and a.pid not in (select pid from holders where pid is not null)
   order by seconds desc nulls last`;

function asObstacle(row: Row): Obstacle {
  const { kind, pid, seconds } = row;
  const who = row.who ? ` (${row.who})` : '';
  const age = seconds === null ? '' : ` for ${formatDuration(seconds)}`;
  const state = row.state && row.state !== 'active' ? `, ${row.state}` : '';
  return { kind, pid, seconds, text: textOf() };

  function textOf(): string {
    switch (kind) {
      case 'prepared transaction':
        return `the prepared transaction ${row.prepared ? `'${row.prepared}' ` : ''}holds a lock on the table`;
      case 'other work':
        return `process ${pid}${who} holds a ${row.mode} on the table${age}${state}`;
      case 'writer':
        return `process ${pid}${who} has written to the table in a transaction that is open${age}${state}`;
      case 'old snapshot':
        return `process ${pid}${who} keeps a snapshot${age}${state}`;
    }
  }
}
