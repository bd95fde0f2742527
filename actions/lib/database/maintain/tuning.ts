import type { DatabaseConfig } from '../../config/index.ts';
import type { ServerFacts } from './facts.ts';

export interface TuningAdvice {
  setting: string;
  /** In its own unit, as the server shows it. */
  current: string;
  statement: string;
  needsRestart: boolean;
  reason: string;
}

const mib = 1024 ** 2;
const gib = 1024 ** 3;

/**
 * Settings that do not fit the machine of `database.machine`; only advice. What is within a factor of two is left alone.
 * Sources: shared_buffers 25 % of the memory, https://www.postgresql.org/docs/current/runtime-config-resource.html;
 * effective_cache_size 75 %, maintenance_work_mem 1/16 up to 2 GiB and work_mem (memory - shared_buffers) / (3 ×
 * max_connections), https://github.com/le0pard/pgtune; random_page_cost 1.1 on SSD,
 * https://www.postgresql.org/docs/current/runtime-config-query.html
 */
export function tuningAdvice(server: ServerFacts, machine: DatabaseConfig['machine']): TuningAdvice[] {
  const { memoryBytes, cores, storage } = machine;
  const advice: (TuningAdvice | null)[] = [];
  if (memoryBytes !== undefined) {
    const buffers = memoryBytes / 4;
    const connections = Number(server.settings.max_connections?.value ?? 100);
    advice.push(
      size(server, 'shared_buffers', buffers, 'a quarter of the memory'),
      size(
        server,
        'effective_cache_size',
        memoryBytes * 0.75,
        'three quarters of the memory: what shared_buffers and the disk cache hold',
      ),
      size(
        server,
        'maintenance_work_mem',
        Math.min(memoryBytes / 16, 2 * gib),
        'a sixteenth of the memory, at most 2 GiB: builds of indexes, VACUUM',
      ),
      size(
        server,
        'work_mem',
        Math.max(4 * mib, (memoryBytes - buffers) / (3 * connections)),
        `what is left, for ${connections} connections with three sorts each`,
      ),
    );
  }
  if (cores !== undefined && cores > 1) {
    advice.push(
      atLeast(server, 'max_worker_processes', cores, `the machine has ${cores} cores`),
      atLeast(server, 'max_parallel_workers', cores, `the machine has ${cores} cores`),
    );
  }
  if (storage === 'ssd') {
    const current = Number(server.settings.random_page_cost?.value);
    if (current > 2)
      advice.push(set(server, 'random_page_cost', '1.1', 'on SSD a random page costs hardly more than the next one'));
  }
  return advice.filter(each => each !== null);
}

function size(server: ServerFacts, name: string, wantedBytes: number, reason: string): TuningAdvice | null {
  const found = server.settings[name];
  const unit = unitBytes[found?.unit ?? ''];
  if (!found || unit === undefined) return null;
  const factor = (Number(found.value) * unit) / wantedBytes;
  if (factor > 0.5 && factor < 2) return null;
  return set(server, name, `${Math.max(1, Math.round(wantedBytes / mib))}MB`, reason);
}

const unitBytes: Readonly<Record<string, number>> = { B: 1, kB: 1024, '8kB': 8192, MB: mib };

function atLeast(server: ServerFacts, name: string, wanted: number, reason: string): TuningAdvice | null {
  const current = Number(server.settings[name]?.value ?? Number.NaN);
  return current < wanted ? set(server, name, String(wanted), reason) : null;
}

function set(server: ServerFacts, name: string, value: string, reason: string): TuningAdvice {
  const { value: current, unit, context } = server.settings[name]!;
  return {
    setting: name,
    current: unit === null ? current : `${current} × ${unit}`,
    statement: `ALTER SYSTEM SET ${name} = '${value}';`,
    needsRestart: context === 'postmaster',
    reason,
  };
}
