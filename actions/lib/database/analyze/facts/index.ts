export type { ActivityFacts, PreparedTransaction, Progress, ReplicaFacts, SlotFacts } from './activity.ts';
export { type CollectedFacts, type CollectOptions, collectFacts } from './collect.ts';
export type { ColumnFacts } from './columns.ts';
export type { ForeignKeyFacts, InvalidConstraint } from './constraints.ts';
export type { IndexFacts, IndexKeyFacts } from './indexes.ts';
export type {
  CheckpointFacts,
  DatabaseCounters,
  DatabaseSize,
  EncryptionFacts,
  ExtensionFacts,
  Setting,
} from './instance.ts';
export type { TableFacts } from './relations.ts';
export type { SequenceFacts } from './sequences.ts';
