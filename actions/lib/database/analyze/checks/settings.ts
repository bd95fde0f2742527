import { formatBytes, formatCount } from '../../../log/index.ts';
import type { CollectedFacts } from '../facts/collect.ts';
import type { Setting } from '../facts/instance.ts';
import { counted, type Finding, type Given, type HealthCheck } from './check.ts';

export const wrongSettings: HealthCheck = {
  id: 'database.settings',
  unit: 'settings',
  title: 'settings that do not fit',
  meaning:
    'Judged by what the server says of itself, and by `database.machine` where that is given. On a hosted server change them in the parameter group of the provider instead of by ALTER SYSTEM.',
  needs: ['settings', 'databases', 'counters', 'checkpoints', 'tables'],
  judge: (facts, given) => counted(rules.flatMap(rule => rule(facts, given) ?? [])),
};

type Rule = (facts: CollectedFacts, given: Given) => Finding | undefined;

const gib = 1024 ** 3;

/** Turned off, these lose data or stop maintenance. */
const mustBeOn: readonly [name: string, why: string][] = [
  ['fsync', 'a crash of the machine destroys the database'],
  ['full_page_writes', 'a crash of the machine can leave pages half written'],
  ['autovacuum', 'dead rows and old statistics pile up, until wraparound forces it'],
  ['track_counts', 'autovacuum knows of nothing, and neither does this report'],
  ['track_activities', 'nobody sees what sessions do'],
];

const rules: readonly Rule[] = [
  ...mustBeOn.map(
    ([name, why]): Rule =>
      facts =>
        facts.settings.get(name)?.value === 'off'
          ? finding(facts, name, 'on', `${name} is off: ${why}`, 'critical')
          : undefined,
  ),
  // https://www.postgresql.org/docs/current/runtime-config-query.html#GUC-RANDOM-PAGE-COST
  (facts, { config }) => {
    const cost = Number(facts.settings.get('random_page_cost')?.value);
    if (config.machine.storage !== 'ssd' || !(cost > 2)) return undefined;
    return finding(
      facts,
      'random_page_cost',
      '1.1',
      `random_page_cost is ${cost}, as for a turning disk: on an SSD the planner then shuns indexes`,
    );
  },
  (facts, { config }) => {
    const cost = Number(facts.settings.get('random_page_cost')?.value);
    if (config.machine.storage !== 'hdd' || !(cost < 2)) return undefined;
    return finding(
      facts,
      'random_page_cost',
      '4',
      `random_page_cost is ${cost}, as for an SSD, and the data lies on turning disks`,
    );
  },
  // A quarter of the memory: https://www.postgresql.org/docs/current/runtime-config-resource.html#GUC-SHARED-BUFFERS
  (facts, { config }) => {
    const buffers = bytesOf(facts.settings.get('shared_buffers'));
    const memory = config.machine.memoryBytes;
    if (buffers === undefined) return undefined;
    if (memory !== undefined) {
      const fits = buffers >= memory * 0.15 && buffers <= memory * 0.5;
      if (fits || (buffers < memory * 0.15 && buffers >= sizeOf(facts))) return undefined;
      return finding(
        facts,
        'shared_buffers',
        megabytes(memory / 4),
        `shared_buffers is ${formatBytes(buffers)} of ${formatBytes(memory)} of memory; a quarter is the usual share`,
      );
    }
    if (facts.settings.get('shared_buffers')?.source !== 'default' && buffers > 128 * 1024 ** 2) return undefined;
    if (buffers > 128 * 1024 ** 2 || sizeOf(facts) < gib) return undefined;
    return finding(
      facts,
      'shared_buffers',
      undefined,
      `shared_buffers is ${formatBytes(buffers)}, the default for a machine of any size, and the database has ${formatBytes(sizeOf(facts))}; give it a quarter of the memory`,
    );
  },
  (facts, { config }) => {
    const cache = bytesOf(facts.settings.get('effective_cache_size'));
    const memory = config.machine.memoryBytes;
    if (cache === undefined || memory === undefined || (cache >= memory * 0.4 && cache <= memory)) return undefined;
    return finding(
      facts,
      'effective_cache_size',
      megabytes(memory * 0.75),
      `effective_cache_size is ${formatBytes(cache)} with ${formatBytes(memory)} of memory: the planner ${cache > memory ? 'counts on more cache than there is' : 'takes indexes for dearer than they are'}`,
    );
  },
  // Every sort and hash of every connection may take as much.
  (facts, { config }) => {
    const workMem = bytesOf(facts.settings.get('work_mem'));
    const memory = config.machine.memoryBytes;
    const connections = Number(facts.settings.get('max_connections')?.value);
    if (workMem === undefined || memory === undefined || workMem * connections <= memory) return undefined;
    const fitting = Math.max(4, Math.floor(memory / 4 / connections / 1024 ** 2));
    return finding(
      facts,
      'work_mem',
      `${fitting}MB`,
      `work_mem is ${formatBytes(workMem)} for each of up to ${formatCount(connections)} connections: together more than the memory of ${formatBytes(memory)}`,
    );
  },
  facts => {
    const { counters } = facts;
    const workMem = facts.settings.get('work_mem');
    const spilled = (counters?.tempBytes ?? 0) / Math.max(1, (counters?.seconds ?? 1) / 86_400);
    if (workMem?.source !== 'default' || spilled < gib) return undefined;
    return finding(
      facts,
      'work_mem',
      '16MB',
      `work_mem is the default of ${workMem.shown}, and ${formatBytes(spilled)} a day spill to disk`,
    );
  },
  facts => {
    const memory = bytesOf(facts.settings.get('maintenance_work_mem'));
    const largest = Math.max(0, ...facts.tables.map(({ mainBytes }) => mainBytes));
    if (memory === undefined || memory >= 128 * 1024 ** 2 || largest < 10 * gib) return undefined;
    return finding(
      facts,
      'maintenance_work_mem',
      '512MB',
      `maintenance_work_mem is ${formatBytes(memory)}, and the largest table has ${formatBytes(largest)}: VACUUM reads its indexes several times, and index builds sort on disk`,
    );
  },
  facts => {
    const { timed, requested } = facts.checkpoints;
    const wal = facts.settings.get('max_wal_size');
    if (timed + requested < 50 || requested < timed) return undefined;
    const doubled = (bytesOf(wal) ?? gib) * 2;
    return finding(
      facts,
      'max_wal_size',
      megabytes(doubled),
      `${formatCount(requested)} of ${formatCount(timed + requested)} checkpoints came because max_wal_size (${wal?.shown ?? 'hidden'}) was full, and not because it was time: each writes whole pages to the WAL again`,
    );
  },
  (facts, { config }) => {
    const workers = Number(facts.settings.get('max_worker_processes')?.value);
    const { cores } = config.machine;
    if (cores === undefined || !(workers < cores)) return undefined;
    return finding(
      facts,
      'max_worker_processes',
      String(cores),
      `max_worker_processes is ${workers} on ${cores} cores`,
    );
  },
  facts => {
    if (facts.settings.get('password_encryption')?.value !== 'md5') return undefined;
    return finding(
      facts,
      'password_encryption',
      'scram-sha-256',
      'password_encryption is md5: stored passwords can be used by whoever sees them, and PostgreSQL will drop it',
    );
  },
  facts => {
    const pending = [...facts.settings].filter(([, { isPending }]) => isPending).map(([name]) => name);
    if (pending.length === 0) return undefined;
    return {
      subject: pending.join(', '),
      severity: 'warning',
      value: pending.length,
      message: `${pending.join(', ')} changed in the file, and take effect only after a restart`,
      mend: [],
    };
  },
];

function finding(
  facts: CollectedFacts,
  name: string,
  value: string | undefined,
  message: string,
  severity: Finding['severity'] = 'warning',
): Finding {
  const setting = facts.settings.get(name);
  const mend =
    value === undefined
      ? []
      : [`ALTER SYSTEM SET ${name} = '${value}';`, ...(setting?.needsRestart ? [] : ['SELECT pg_reload_conf();'])];
  return {
    subject: name,
    severity,
    value: 1,
    message: `${message}${setting?.needsRestart && mend.length > 0 ? ' (needs a restart)' : ''}`,
    mend,
  };
}

/** Of a setting in kB, 8kB or MB. */
function bytesOf(setting: Setting | undefined): number | undefined {
  const unit = /^(\d*)(B|kB|MB|GB)$/.exec(setting?.unit ?? '');
  if (!setting || !unit) return undefined;
  return Number(setting.value) * Number(unit[1] || 1) * { B: 1, kB: 1024, MB: 1024 ** 2, GB: gib }[unit[2] as 'B'];
}

function sizeOf({ databases }: CollectedFacts): number {
  return databases.find(({ isCurrent }) => isCurrent)?.bytes ?? 0;
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1024 ** 2)}MB`;
}
