import { formatBytes, formatCount, formatDuration, formatRatio } from '../../../log/index.ts';
import { quoteIdent } from '../../../postgres/index.ts';
import { dailyGrowth } from '../../history/index.ts';
import { counted, type Finding, type HealthCheck, type Judgement, relationName, worst } from './check.ts';

const daySeconds = 86_400;

/** Below this many block reads a ratio says nothing: a database that was just started has read everything from disk. */
const fewestReads = 100_000;

export const tableCache: HealthCheck = {
  id: 'database.cache.tables',
  unit: 'ratio',
  title: 'table reads that miss the cache',
  meaning:
    'The share of reads of table blocks that shared_buffers answered. The cache of the operating system may have answered the others; a low share with slow statements calls for more memory or better indexes.',
  needs: ['tables'],
  judge: ({ tables }, { config }) => cache(tables, config.thresholds.tableCacheHitRatio, 'tables'),
};

export const indexCache: HealthCheck = {
  id: 'database.cache.indexes',
  unit: 'ratio',
  title: 'index reads that miss the cache',
  meaning:
    'Indexes are read at random: where they do not fit into memory, every statement that uses them waits for the disk.',
  needs: ['indexes'],
  judge: ({ indexes }, { config }) => cache(indexes, config.thresholds.indexCacheHitRatio, 'indexes'),
};

function cache(
  relations: readonly { schema: string; name: string; blocksFetched: number; blocksHit: number }[],
  threshold: number,
  what: string,
): Judgement {
  const sum = (of: 'blocksFetched' | 'blocksHit') => relations.reduce((total, relation) => total + relation[of], 0);
  const fetched = sum('blocksFetched');
  if (fetched < fewestReads) return worst(null, threshold, [], 'too little was read to say');
  const value = sum('blocksHit') / fetched;
  if (value >= threshold) return worst(value, threshold, []);
  const misses = [...relations]
    .sort((a, b) => b.blocksFetched - b.blocksHit - (a.blocksFetched - a.blocksHit))
    .slice(0, 3);
  const finding: Finding = {
    subject: what,
    severity: 'warning',
    value,
    message: `${formatRatio(value)} of the reads of ${what} were answered by shared_buffers; most of the others are of ${misses.map(relationName).join(', ')}`,
    mend: [],
  };
  return worst(value, threshold, [finding]);
}

const fewestTransactions = 1000;

export const rollbacks: HealthCheck = {
  id: 'database.rollbacks',
  unit: 'ratio',
  title: 'transactions that are rolled back',
  meaning:
    'Work that was done and thrown away: errors of the application, serialization failures, or a health probe that rolls back.',
  needs: ['counters'],
  judge({ counters }, { config }) {
    const { commits, rollbacks: back } = counters!;
    const limit = config.thresholds.rollbackRatio;
    if (commits + back < fewestTransactions) return worst(null, limit, []);
    const value = back / (commits + back);
    return worst(
      value,
      limit,
      value < limit
        ? []
        : [
            own(
              value,
              `${formatRatio(value)} of ${formatCount(commits + back)} transactions were rolled back since ${counters!.since}`,
            ),
          ],
    );
  },
};

export const deadlocks: HealthCheck = {
  id: 'database.deadlocks',
  unit: 'per day',
  title: 'deadlocks',
  meaning:
    'Two transactions waited for each other, and one of them was cancelled. Take locks in the same order everywhere.',
  needs: ['counters'],
  judge({ counters }, { config }) {
    const value = counters!.deadlocks / Math.max(1, counters!.seconds / daySeconds);
    const limit = config.thresholds.deadlocksPerDay;
    return worst(
      value,
      limit,
      value <= limit ? [] : [own(value, `${formatCount(counters!.deadlocks)} deadlocks since ${counters!.since}`)],
    );
  },
};

export const temporaryFiles: HealthCheck = {
  id: 'database.temp',
  unit: 'bytes per day',
  title: 'sorts and hashes that spill to disk',
  meaning:
    'What does not fit into work_mem is written to temporary files. The statements that do it are in the report; a higher work_mem for their role, or an index in their order, ends it.',
  needs: ['counters', 'settings'],
  judge({ counters, settings, database }, { config }) {
    const value = counters!.tempBytes / Math.max(1, counters!.seconds / daySeconds);
    const limit = config.thresholds.tempBytesPerDay;
    if (value < limit) return worst(value, limit, []);
    const workMem = settings.get('work_mem');
    const doubled = Number(workMem?.value ?? 4096) * 2;
    const finding = own(
      value,
      `${formatBytes(counters!.tempBytes)} in ${formatCount(counters!.tempFiles)} temporary files since ${counters!.since}; work_mem is ${workMem?.shown ?? 'hidden'}`,
    );
    return worst(value, limit, [
      { ...finding, mend: [`ALTER DATABASE ${quoteIdent(database)} SET work_mem = '${doubled}kB';`] },
    ]);
  },
};

export const outdatedExtensions: HealthCheck = {
  id: 'database.extensions',
  unit: 'extensions',
  title: 'extensions that are not the installed version',
  meaning: 'The files of a newer version are on the server, and the database still uses the objects of the old one.',
  needs: ['extensions'],
  judge: ({ extensions }) =>
    counted(
      extensions
        .filter(({ version, newest }) => newest !== null && newest !== version)
        .map(({ name, version, newest }) => ({
          subject: quoteIdent(name),
          severity: 'warning',
          value: 1,
          message: `${quoteIdent(name)} is ${version}, and ${newest} is installed`,
          mend: [`ALTER EXTENSION ${quoteIdent(name)} UPDATE;`],
        })),
    ),
};

export const plainConnections: HealthCheck = {
  id: 'database.encryption',
  unit: 'connections',
  title: 'connections over the network without TLS',
  meaning: 'Passwords and rows can be read on the way. Offer TLS, and let pg_hba.conf accept hostssl only.',
  needs: ['encryption'],
  judge({ encryption }) {
    const findings = encryption.plain.map(({ user, address, connections }) => ({
      subject: user,
      severity: 'warning' as const,
      value: connections,
      message: `${formatCount(connections)} connections of ${user} from ${address} are not encrypted${encryption.isOffered ? '' : '; the server offers no TLS'}`,
      mend: encryption.isOffered ? [] : [`ALTER SYSTEM SET ssl = 'on';`, 'SELECT pg_reload_conf();'],
    }));
    return counted(findings);
  },
};

/** Smaller growth is no concern, whatever its share. */
const growthBytes = 256 * 1024 ** 2;

export const growth: HealthCheck = {
  id: 'database.size.growth',
  unit: 'ratio',
  title: 'fast growth',
  meaning:
    'How much the database grows in seven days, by the sizes in earlier reports. Plan the disk, and what may be cleaned up, before it is full.',
  needs: ['databases'],
  judge({ databases, at }, { config, history }) {
    const limit = config.thresholds.growthRatio;
    const now = databases.find(({ isCurrent }) => isCurrent)?.bytes ?? null;
    if (now === null) return worst(null, limit, [], 'the size is not shown to this role');
    const points = [...history.sizes.map(size => ({ at: size.at, value: size.bytes })), { at, value: now }];
    const perDay = dailyGrowth(points);
    if (perDay === undefined) return worst(null, limit, [], 'there is too little history');
    const inWeek = perDay * 7;
    const value = Math.max(0, inWeek / now);
    if (value < limit || inWeek < growthBytes) return worst(value, limit, []);
    return worst(value, limit, [
      own(
        value,
        `The database grows by ${formatBytes(inWeek)} in seven days, ${formatRatio(value)} of its ${formatBytes(now)}`,
      ),
    ]);
  },
};

export const disk: HealthCheck = {
  id: 'database.disk',
  unit: 'ratio',
  title: 'a disk that fills up',
  meaning: 'A full disk stops the server. The databases alone are counted: WAL, temporary files and logs come on top.',
  needs: ['databases'],
  judge({ databases, at }, { config, history }) {
    const { diskRatio: limit } = config.thresholds;
    const { diskBytes } = config.machine;
    if (diskBytes === undefined) return worst(null, limit, [], 'database.machine.diskBytes is not configured');
    const bytes = databases.reduce((sum, database) => sum + (database.bytes ?? 0), 0);
    const value = bytes / diskBytes;
    if (value < limit) return worst(value, limit, []);
    const now = databases.find(({ isCurrent }) => isCurrent)?.bytes ?? 0;
    const perDay = dailyGrowth([
      ...history.sizes.map(size => ({ at: size.at, value: size.bytes })),
      { at, value: now },
    ]);
    const until =
      perDay !== undefined && perDay > 0
        ? `; at the present growth it is full in ${formatDuration(((diskBytes - bytes) / perDay) * daySeconds)}`
        : '';
    return worst(value, limit, [
      {
        ...own(
          value,
          `The databases hold ${formatBytes(bytes)} of a disk of ${formatBytes(diskBytes)}, ${formatRatio(value)}${until}`,
        ),
        severity: value >= 0.95 ? 'critical' : 'warning',
      },
    ]);
  },
};

function own(value: number, message: string): Finding {
  return { subject: 'database', severity: 'warning', value, message, mend: [] };
}
