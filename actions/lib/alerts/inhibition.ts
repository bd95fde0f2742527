import { matchesAny, matchesPattern } from './patterns.ts';
import type { AlertPolicy, Subject } from './policy.ts';

/**
 * Which alert, critical now, keeps another quiet: what follows from a database that is down is not news. An alert never
 * silences itself or its like, and one that is itself kept quiet by an earlier rule silences nothing: two rules that point
 * at each other must not silence everything.
 *
 * @returns the key of the cause; undefined when there is none
 */
export function inhibitorOf(
  subject: Subject,
  critical: readonly (Subject & { key: string })[],
  inhibitions: AlertPolicy['inhibitions'],
): string | undefined {
  for (const [index, rule] of inhibitions.entries()) {
    if (matchesPattern(rule.source, subject.id) || !matchesAny(rule.silences, subject.id)) continue;
    const cause = critical.find(
      each =>
        matchesPattern(rule.source, each.id) &&
        (!rule.sameTarget || each.target === subject.target) &&
        inhibitorOf(each, critical, inhibitions.slice(0, index)) === undefined,
    );
    if (cause) return cause.key;
  }
  return undefined;
}
