import { statfs } from 'node:fs/promises';
import type { ThrowawayOptions } from './throwaway.ts';

type Settings = Record<string, string | number | boolean>;

/** Under this, /dev/shm is the 64 MB of a default container, and a parallel index build dies with "No space left". */
const enoughSharedMemoryBytes = 512 * 1024 * 1024;

/** postgresql.conf of a throw-away server; `options.settings` outrank everything but where it listens. */
export async function serverSettings(
  options: Pick<ThrowawayOptions, 'durable' | 'settings' | 'sharedBuffersMb' | 'tcp'>,
  socketDir: string,
): Promise<Settings> {
  return {
    shared_buffers: `${options.sharedBuffersMb ?? 128}MB`,
    max_wal_size: '4GB',
    checkpoint_timeout: '1h',
    // A dump or restore locks every relation in one transaction.
    max_locks_per_transaction: 256,
    timezone: 'UTC',
    log_timezone: 'UTC',
    // Rows of a failed statement stay out of the log.
    log_min_error_statement: 'panic',
    ...((await hasLittleSharedMemory()) ? { dynamic_shared_memory_type: 'mmap' } : {}),
    ...(options.durable ? {} : careless),
    ...options.settings,
    listen_addresses: options.tcp ? '127.0.0.1' : '',
    unix_socket_directories: socketDir,
    unix_socket_permissions: '0700',
  };
}

const careless: Settings = {
  fsync: false,
  synchronous_commit: false,
  full_page_writes: false,
  // Rows that COPY puts into a table made in the same transaction are then not written to the WAL at all.
  wal_level: 'minimal',
  max_wal_senders: 0,
};

/** As text for the end of postgresql.conf, where the last mention of a name wins. */
export function configurationFile(settings: Settings): string {
  const lines = Object.entries(settings).map(([name, value]) => {
    const text = typeof value === 'boolean' ? (value ? 'on' : 'off') : String(value);
    return `${name} = '${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
  });
  return `\n# throw-away server\n${lines.join('\n')}\n`;
}

/** The locale to ask for first, then what to take instead; C.UTF-8 sorts by code point and knows UTF-8 only. */
export function localesToTry(asked: string | undefined, encoding: string): string[] {
  const isUtf8 = /^utf-?8$/i.test(encoding);
  return [...new Set([asked ?? (isUtf8 ? 'C.UTF-8' : 'C'), ...(isUtf8 ? ['C.UTF-8'] : []), 'C'])];
}

async function hasLittleSharedMemory(): Promise<boolean> {
  const shm = await statfs('/dev/shm').catch(() => undefined);
  return shm !== undefined && shm.blocks * shm.bsize < enoughSharedMemoryBytes;
}
