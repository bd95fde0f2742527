import type pg from 'pg';
import { OpsError } from '../../actions/lib/errors/index.ts';
import { connect, parsePostgresUrl, pgError } from '../../actions/lib/postgres/index.ts';

export interface PlatformTarget {
  /** `postgres://…`; a socket folder goes into the query string as `?host=/folder`. */
  url: string;
}

export interface Sessions extends AsyncDisposable {
  clients: pg.Client[];
}

/** Far above what ten million rows need; it only keeps a lost server from holding a run for ever. */
const statementTimeoutMs = 60 * 60_000;

/**
 * UTC and a fixed path make the text of the data independent of the server's settings; the rest is for speed: what is
 * generated can be generated again, so a crash may lose it.
 */
const settings = {
  TimeZone: 'UTC',
  search_path: 'public',
  client_min_messages: 'warning',
  synchronous_commit: 'off',
  jit: 'off',
  work_mem: '64MB',
  maintenance_work_mem: '128MB',
};

/** `count` connections, prepared for making data; disposing closes them. @throws OpsError as `connect` does */
export async function openSessions(target: PlatformTarget, count: number, signal?: AbortSignal): Promise<Sessions> {
  const clients: pg.Client[] = [];
  const close = async () => {
    await Promise.allSettled(clients.map(client => client.end()));
  };
  const parsed = parsePostgresUrl(target.url);
  try {
    for (let n = 0; n < count; n++) {
      clients.push(
        await connect(parsed, {
          applicationName: 'reference platform',
          statementTimeoutMs,
          settings,
          ...(signal && { signal }),
        }),
      );
    }
  } catch (thrown) {
    await close();
    throw thrown;
  }
  return { clients, [Symbol.asyncDispose]: close };
}

/** What went wrong on the server, and while doing what; the code is that of `pgError`. An `OpsError` stays as it is. */
export function failed(what: string, target: PlatformTarget, thrown: unknown): OpsError {
  if (thrown instanceof OpsError) return thrown;
  const cause = pgError(thrown, parsePostgresUrl(target.url));
  return new OpsError(cause.code, `${what}: ${cause.message}`, { ...(cause.hint && { hint: cause.hint }), cause });
}

/** The caller asked for something that cannot be made; nothing was started. */
export function badOption(message: string): OpsError {
  return new OpsError('PLATFORM_OPTIONS', message, { exit: 'usage' });
}
