import type { Desired } from './desired.ts';
import type { AlertRule, Limit, Severity } from './policy.ts';

/**
 * How grave it is now; null: well. A threshold of a rule decides by the value, and what the value has entered it leaves
 * only at the exit threshold; a level without one is decided by the status of the check, and so is everything when there is
 * no value to compare.
 *
 * @param current what it is already known as
 */
export function severityOf(desired: Desired, rule: AlertRule, current: Severity | null): Severity | null {
  if (!rule.isEnabled) return null;
  const { value, status } = desired.reading;
  if (value === null || status === 'unknown') return desired.severity;
  const isPast = (limit: Limit, isInside: boolean) => isBreached(value, limit, rule.breach, isInside);
  const isCritical = rule.critical ? isPast(rule.critical, current === 'critical') : desired.severity === 'critical';
  if (isCritical) {
    // A check that is graver than its own rule for warnings allows is held to the rule.
    return rule.critical || !rule.warning || isPast(rule.warning, current !== null) ? 'critical' : null;
  }
  // What is critical has been through warning.
  const isWarning = rule.warning ? isPast(rule.warning, current !== null) : desired.severity !== null;
  return isWarning ? 'warning' : null;
}

function isBreached(value: number, limit: Limit, breach: AlertRule['breach'], isInside: boolean): boolean {
  const threshold = isInside ? limit.exit : limit.enter;
  // At the enter threshold it is breached; at the exit threshold it is over, unless the two are one.
  const isBeyond = breach === 'above' ? value > threshold : value < threshold;
  return isBeyond || (value === threshold && (!isInside || limit.enter === limit.exit));
}
