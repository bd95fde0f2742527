import { blockedSessions, idleTransactions, longTransactions, preparedTransactions } from './activity.ts';
import type { HealthCheck } from './check.ts';
import { foreignKeysWithoutIndex } from './foreign-keys.ts';
import { bloatedIndexes, invalidIndexes, nullHeavyIndexes } from './index-health.ts';
import {
  deadlocks,
  disk,
  growth,
  indexCache,
  outdatedExtensions,
  plainConnections,
  rollbacks,
  tableCache,
  temporaryFiles,
} from './instance.ts';
import { duplicateIndexes, overlappingIndexes } from './redundant-indexes.ts';
import { replicationLag, replicationSlots } from './replication.ts';
import { sequencesNearEnd } from './sequences.ts';
import { wrongSettings } from './settings.ts';
import {
  autovacuumOff,
  bloatedTables,
  deadRows,
  hotUpdates,
  invalidConstraints,
  missingPrimaryKeys,
  sequentialScans,
  staleStatistics,
} from './tables.ts';
import { unusedIndexes } from './unused-indexes.ts';
import { multixactWraparound, transactionWraparound } from './wraparound.ts';

export { type BlockingChain, blockingChains } from './activity.ts';
export {
  type Finding,
  type Given,
  type HealthCheck,
  type History,
  type Judgement,
  noHistory,
} from './check.ts';
export { type Redundant, redundant } from './redundant-indexes.ts';
export { isNeeded, unusedNow } from './unused-indexes.ts';

/** In the order of the report: what can stop the database first. */
export const healthChecks: readonly HealthCheck[] = [
  transactionWraparound,
  multixactWraparound,
  sequencesNearEnd,
  disk,
  blockedSessions,
  longTransactions,
  idleTransactions,
  preparedTransactions,
  replicationSlots,
  replicationLag,
  invalidIndexes,
  invalidConstraints,
  foreignKeysWithoutIndex,
  duplicateIndexes,
  overlappingIndexes,
  unusedIndexes,
  bloatedIndexes,
  nullHeavyIndexes,
  bloatedTables,
  deadRows,
  staleStatistics,
  autovacuumOff,
  sequentialScans,
  hotUpdates,
  missingPrimaryKeys,
  tableCache,
  indexCache,
  temporaryFiles,
  rollbacks,
  deadlocks,
  wrongSettings,
  outdatedExtensions,
  plainConnections,
  growth,
];
