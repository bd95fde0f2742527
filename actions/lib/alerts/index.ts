export type { AlertAction } from './actions.ts';
export { type AnnounceFrame, announce } from './announce.ts';
export type { AlertFailure } from './github-alerts.ts';
export { type AlertMemory, createDirectoryMemory, createGitHubMemory } from './memory.ts';
export {
  type AlertListData,
  type AlertSyncData,
  type AlertSyncInput,
  alertListOperation,
  alertSyncOperation,
} from './operations.ts';
export type { AlertSync, Announcement } from './sync.ts';
