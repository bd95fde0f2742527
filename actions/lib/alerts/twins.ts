import type { AlertAction, ExistingAlert } from './actions.ts';

/**
 * The one that stands for each key. Two runs that found the same breach at the same time may both have opened an issue:
 * the oldest open one stays, and the others are closed with a word on which. Of closed ones, the one that was followed
 * longest counts.
 */
export function standingAlerts(
  alerts: readonly ExistingAlert[],
  now: Date,
): { standing: Map<string, ExistingAlert>; merges: AlertAction[] } {
  const standing = new Map<string, ExistingAlert>();
  const merges: AlertAction[] = [];
  const usable = alerts.filter(alert => alert.state.mergedInto === null);
  for (const [key, same] of Map.groupBy(usable, alert => alert.state.key)) {
    const open = same.filter(alert => alert.isOpen).sort((a, b) => a.number - b.number);
    standing.set(key, open[0] ?? lastWritten(same));
    const [first, ...twins] = open;
    for (const twin of twins) {
      const at = now.toISOString();
      const state = { ...twin.state, mergedInto: first!.number, closedAt: at, writtenAt: at };
      merges.push({ kind: 'merge', number: twin.number, state, into: first!.number });
    }
  }
  return { standing, merges };
}

function lastWritten(alerts: readonly ExistingAlert[]): ExistingAlert {
  const writtenAt = (alert: ExistingAlert) => Date.parse(alert.state.writtenAt);
  return alerts.toSorted((a, b) => writtenAt(b) - writtenAt(a) || b.number - a.number)[0]!;
}
