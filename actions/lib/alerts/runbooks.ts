import { codeSpan, flat } from '../markdown/index.ts';
import { matchesPattern } from './patterns.ts';
import type { Subject } from './policy.ts';
import { assetsRunbooks } from './runbooks/assets.ts';
import { backupRunbooks } from './runbooks/backup.ts';
import { cdnRunbooks } from './runbooks/cdn.ts';
import { databaseRunbooks } from './runbooks/database.ts';
import { databaseChangeRunbooks } from './runbooks/database-change.ts';
import { recordRunbooks } from './runbooks/record.ts';
import { failedRun, type Runbook, type Runbooks } from './runbooks/runbook.ts';

export type { Runbook } from './runbooks/runbook.ts';

/**
 * Every area has a file of its own in `runbooks/`, by pattern of the check's id. The first pattern that matches counts; the
 * last one is for runs of any kind.
 */
export const runbooks: Runbooks = {
  ...backupRunbooks,
  ...cdnRunbooks,
  // The leftover of a build is told apart from the other findings on indexes.
  ...databaseChangeRunbooks,
  ...databaseRunbooks,
  ...assetsRunbooks,
  ...recordRunbooks,
  '*.run': ({ id }) => failedRun(`'${flat(id.replace(/\.run$/, ''))}'`, undefined, undefined),
};

/** That of the check, or the one for whatever has none. */
export function runbookOf(subject: Subject): Runbook {
  const write = Object.entries(runbooks).find(([pattern]) => matchesPattern(pattern, subject.id))?.[1] ?? unknownCheck;
  return write(subject);
}

/** Nobody wrote down what this check means: what is true of all of them. */
function unknownCheck({ id, target }: Subject): Runbook {
  const rule = `check: ${plain(id)}${target === null ? '' : `, target: ${plain(target)}`}`;
  return {
    title: `${flat(id)} is breached`,
    meaning:
      'A value is beyond its threshold, or a check found what it looks for. The message above says what was found.',
    steps: [
      'Read the report: it holds the whole of what was measured, and the check is one line of it.',
      'See since when it is so, and look at what changed then: a release, a configuration, the load.',
      'Repair the cause. The issue closes by itself when the check is well.',
      `Not a fault here? Give it another threshold, or switch it off, below \`alerts.rules\` of \`.github/ops.yml\`: ${codeSpan(`{ ${rule}, enabled: false }`)}.`,
    ],
    commands: ['npm run ops -- alerts list'],
  };
}

/** A value of YAML. */
function plain(text: string): string {
  return /^[A-Za-z][\w./-]*$/.test(text) ? text : `'${flat(text).replaceAll("'", "''")}'`;
}
