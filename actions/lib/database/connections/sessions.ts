import type { DatabaseSession } from '../session/index.ts';
import type { ConnectionsData } from './data.ts';

export type SessionCounts = Pick<
  ConnectionsData,
  | 'used'
  | 'max'
  | 'reserved'
  | 'usedRatio'
  | 'byState'
  | 'byUser'
  | 'byApplication'
  | 'byDatabase'
  | 'byWait'
  | 'idleInTransaction'
  | 'oldestIdleInTransactionSeconds'
  | 'oldest'
  | 'oldestTransactionSeconds'
  | 'hidden'
>;

interface SessionRow {
  pid: number;
  user: string | null;
  application: string | null;
  database: string | null;
  state: string | null;
  wait: string | null;
  seconds: number | null;
  transactionSeconds: number | null;
  stateSeconds: number | null;
}

/** Who is connected to the whole server: its limit is one for all databases. This session is left out of the lists. */
export async function readSessions(session: DatabaseSession): Promise<SessionCounts> {
  const rows = await session.rows<SessionRow & Record<string, unknown>>(
    `select pid, usename as user, application_name as application, datname as database, state,
            case when state = 'active' and wait_event is not null then wait_event_type || ': ' || wait_event end as wait,
            extract(epoch from clock_timestamp() - backend_start)::float8 as seconds,
            extract(epoch from clock_timestamp() - xact_start)::float8 as "transactionSeconds",
            extract(epoch from clock_timestamp() - state_change)::float8 as "stateSeconds"
       from pg_catalog.pg_stat_activity
      where backend_type = 'client backend' and pid <> pg_backend_pid()`,
  );
  // A role without pg_read_all_stats is not even told that the others are client backends; their number is no secret.
  const [limits] = await session.rows<{ max: number; reserved: number; all: number }>(
    `select current_setting('max_connections')::int as max,
            current_setting('superuser_reserved_connections')::int
              + coalesce(current_setting('reserved_connections', true), '0')::int as reserved,
            (select sum(numbackends) from pg_catalog.pg_stat_database where datid <> 0)::int as all`,
  );
  const { max, reserved, all } = limits!;
  const shown = rows.filter(({ state }) => state !== null);
  const seen = rows.length + 1;
  const used = session.privileges.readsAllStats ? seen : Math.max(seen, all);
  const idle = shown.filter(({ state }) => state!.startsWith('idle in transaction'));
  const oldest = [...shown].sort((a, b) => (b.seconds ?? 0) - (a.seconds ?? 0))[0];
  return {
    used,
    max,
    reserved,
    usedRatio: used / Math.max(1, max - reserved),
    byState: countBy(shown, ({ state }) => state),
    byUser: countBy(shown, ({ user }) => user),
    byApplication: countBy(shown, ({ application }) => application || '(no name)'),
    byDatabase: countBy(shown, ({ database }) => database),
    byWait: countBy(shown, ({ wait }) => wait),
    idleInTransaction: idle.length,
    oldestIdleInTransactionSeconds: highest(idle.map(({ stateSeconds }) => stateSeconds)),
    oldest: oldest
      ? { pid: oldest.pid, user: oldest.user, application: oldest.application ?? '', seconds: oldest.seconds ?? 0 }
      : null,
    oldestTransactionSeconds: highest(shown.map(({ transactionSeconds }) => transactionSeconds)),
    hidden: used - 1 - shown.length,
  };
}

/** An application may put anything into its name, a counter as well. */
const mostNames = 50;

function countBy(
  rows: readonly SessionRow[],
  name: (row: SessionRow) => string | null,
): { name: string; connections: number }[] {
  const groups = Map.groupBy(
    rows.filter(row => name(row) !== null),
    row => name(row)!,
  );
  return [...groups]
    .map(([key, of]) => ({ name: key, connections: of.length }))
    .sort((a, b) => b.connections - a.connections || (a.name < b.name ? -1 : 1))
    .slice(0, mostNames);
}

function highest(values: readonly (number | null)[]): number | null {
  const known = values.filter(value => value !== null);
  return known.length === 0 ? null : Math.max(...known);
}
