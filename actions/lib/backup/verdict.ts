import { parseIdentities } from '../age/index.ts';
import type { OpsContext } from '../context/index.ts';
import type { OpsError } from '../errors/index.ts';
import type { Comparison } from './database/prove.ts';
import type { RestoreResult } from './database/restore.ts';
import type { Verdict } from './sets/set-store.ts';

export interface ProofResult {
  verdict: Verdict;
  /** Empty when PROVED. */
  findings: string[];
  comparison: Comparison | null;
  restore: RestoreResult | null;
  timings: { serverSeconds: number; restoreSeconds: number; compareSeconds: number; totalSeconds: number };
  /** What was different from production without being a finding, e.g. a locale that this machine lacks. */
  notes: string[];
}

/**
 * Failures that say nothing about the set: it may be perfect. The verdict is then COULD NOT VERIFY, which is never green.
 */
const notTheSetsFault = new Set([
  'AGE_NO_MATCH',
  'AGE_IDENTITY',
  'BACKUP_IDENTITY',
  'CANCELLED',
  'PG_CLIENT_MISSING',
  'PG_SERVER_MISSING',
  'PG_SERVER_START',
  'PG_UNREACHABLE',
  'PG_LOST',
  'PG_TOO_MANY',
  'RESTORE_EXTENSION',
  'STORAGE_DENIED',
  'STORAGE_FULL',
  'STORAGE_UNREACHABLE',
  'STORAGE_FAILED',
  'TOOL_MISSING',
]);

/** One place decides what a failure or a list of findings means. */
export function judge(
  failure: OpsError | undefined,
  findings: readonly string[],
): { verdict: Verdict; findings: string[] } {
  if (failure) {
    const text = failure.hint ? `${failure.message}. ${failure.hint}` : failure.message;
    return { verdict: notTheSetsFault.has(failure.code) ? 'COULD NOT VERIFY' : 'FAILED', findings: [text] };
  }
  return { verdict: findings.length === 0 ? 'PROVED' : 'FAILED', findings: [...findings] };
}

export function identitiesOf(context: Pick<OpsContext, 'secrets'>): string[] {
  return context.secrets.ageIdentity ? parseIdentities(context.secrets.ageIdentity) : [];
}
