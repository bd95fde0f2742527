export { type ForeignKey, readForeignKeys } from './foreign-keys.ts';
export {
  type MergeCandidate,
  planRemovals,
  type RemovalCandidate,
  type RemovalOptions,
  type RemovalPlan,
} from './plan.ts';
export { type IndexUsage, readIndexUsage, usageKey } from './usage.ts';
