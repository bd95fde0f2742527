import type { PostgresTarget } from './target.ts';

/**
 * The environment with which libpq programs (pg_dump, psql, …) reach `target`. The environment of a process is readable
 * by its own user only; its argv by everyone.
 */
export function libpqEnv(target: PostgresTarget, applicationName = 'production-ops'): Record<string, string> {
  const env: Record<string, string> = {
    PGHOST: target.host,
    PGPORT: String(target.port),
    PGUSER: target.user,
    PGDATABASE: target.database,
    PGSSLMODE: target.sslmode ?? 'prefer',
    PGCONNECT_TIMEOUT: String(target.connectTimeoutSeconds ?? 15),
    PGAPPNAME: applicationName,
    // A ~/.psqlrc or a service file of the machine must not change what we run.
    PSQLRC: '/dev/null',
    PGCLIENTENCODING: 'UTF8',
  };
  if (target.password !== undefined) env.PGPASSWORD = target.password;
  if (target.sslrootcert) env.PGSSLROOTCERT = target.sslrootcert;
  if (target.sslcert) env.PGSSLCERT = target.sslcert;
  if (target.sslkey) env.PGSSLKEY = target.sslkey;
  if (target.channelBinding) env.PGCHANNELBINDING = target.channelBinding;
  if (target.options) env.PGOPTIONS = target.options;
  return env;
}
