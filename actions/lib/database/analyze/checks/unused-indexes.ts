import { formatBytes, formatDuration } from '../../../log/index.ts';
import type { CollectedFacts } from '../facts/collect.ts';
import type { IndexFacts } from '../facts/indexes.ts';
import { counted, type Finding, type Given, type HealthCheck, relationName } from './check.ts';
import { supportsForeignKey } from './foreign-keys.ts';

/** Indexes that no query used, on any server, for as long as the statistics go back, and that nothing else needs. */
export const unusedIndexes: HealthCheck = {
  id: 'database.indexes.unused',
  unit: 'indexes',
  title: 'unused indexes',
  meaning:
    'Every insert and most updates write an index, and VACUUM reads it; one that no query uses costs that and gives nothing. Unused means on the primary and on every replica, over the whole window.',
  needs: ['indexes', 'tables', 'foreignKeys', 'counters', 'replicas', 'elsewhere'],
  judge(facts, given) {
    const { thresholds } = given.config;
    if (facts.isInRecovery) return { ...counted([]), note: 'A replica knows its own use alone: look from the primary' };
    const ages = [facts.counters!.seconds, ...facts.elsewhere.map(({ sinceSeconds }) => sinceSeconds)];
    const knownSeconds = Math.min(...ages);
    if (knownSeconds < thresholds.unusedWindow) {
      return {
        value: null,
        threshold: 0,
        findings: [],
        note: `The statistics are ${formatDuration(knownSeconds)} old; what is unused is said after ${formatDuration(thresholds.unusedWindow)}`,
      };
    }
    const unknown = facts.replicas.length - facts.elsewhere.length;
    const found = unusedNow(facts, given)
      .filter(({ bytes }) => bytes >= thresholds.unusedIndexBytes)
      .filter(index => knownUnusedSeconds(index, facts, given) >= thresholds.unusedWindow)
      .map(index => findingOf(index, facts, given, unknown > 0));
    const note =
      unknown > 0
        ? `${unknown === 1 ? 'A replica was' : `${unknown} replicas were`} not asked: set DATABASE_REPLICA_URLS before anything is dropped`
        : undefined;
    return counted(found, note);
  },
};

/** Without a single scan on any known server (from 16 on: or none since the window began), and needed by nothing. */
export function unusedNow(facts: CollectedFacts, { config }: Pick<Given, 'config'>): IndexFacts[] {
  const window = config.thresholds.unusedWindow;
  const isOld = (usedAt: string | null) => usedAt !== null && facts.at.getTime() - Date.parse(usedAt) > window * 1000;
  const isUnused = ({ scans, usedAt }: { scans: number; usedAt: string | null }) => scans === 0 || isOld(usedAt);
  return facts.indexes.filter(
    index =>
      isUnused(index) &&
      facts.elsewhere.every(({ scans }) =>
        isUnused(scans.get(`${index.schema}.${index.name}`) ?? { scans: 0, usedAt: null }),
      ) &&
      index.isValid &&
      !isNeeded(index) &&
      !index.isAttached &&
      !index.isPartitioned &&
      !supportsForeignKey(index, facts),
  );
}

/** An index that does more than make queries fast. */
export function isNeeded(index: IndexFacts): boolean {
  return (
    index.isUnique ||
    index.isPrimary ||
    index.isExclusion ||
    index.servesConstraint ||
    index.isReplicaIdentity ||
    index.ofExtension
  );
}

/** An index that the report before did not know is new: the age of the statistics says nothing about it. */
function knownUnusedSeconds(index: IndexFacts, facts: CollectedFacts, { history }: Given): number {
  if (history.previousAt === null) return facts.counters!.seconds;
  const since = history.unusedSince.get(`${index.schema}.${index.name}`);
  return since === undefined ? 0 : (facts.at.getTime() - since.getTime()) / 1000;
}

function findingOf(index: IndexFacts, facts: CollectedFacts, { config }: Given, isUncertain: boolean): Finding {
  const name = relationName(index);
  const window = formatDuration(config.thresholds.unusedWindow);
  const since =
    index.scans === 0
      ? `was not used since ${facts.counters!.since}`
      : `was last used at ${index.usedAt}, longer than ${window} ago`;
  return {
    subject: name,
    severity: 'warning',
    value: index.bytes,
    message: `${name} (${formatBytes(index.bytes)}) ${since}`,
    mend: isUncertain ? [] : [`DROP INDEX CONCURRENTLY ${name};`],
  };
}
