import { flat } from '../../markdown/index.ts';
import type { Subject } from '../policy.ts';

/** What a check means to the person who is woken by it, and what to do first. */
export interface Runbook {
  /** Names the issue; what is wrong, without a value. */
  title: string;
  /** Markdown of our own. */
  meaning: string;
  steps: readonly string[];
  /** Exact commands, to be run in a checkout of this repository. */
  commands: readonly string[];
}

/** By pattern of the check's id. What comes from the subject is text from elsewhere: `sourceOf`, or `codeSpan`. */
export type Runbooks = Readonly<Record<string, (subject: Subject) => Runbook>>;

/** @param workflow its file, e.g. `backup.yml` */
export function failedRun(what: string, command: string | undefined, workflow: string | undefined): Runbook {
  return {
    title: `${what} failed to run`,
    meaning: 'The work did not come to its end, so it has proved and changed nothing that counts.',
    steps: [
      'The message names the error and what to do about it; the log of the run has the rest.',
      'Repair the cause and run it again. The issue closes by itself when a run has come to its end.',
    ],
    commands: [
      ...(command ? [command] : []),
      workflow ? `gh workflow run ${workflow}` : 'gh run list --status failure --limit 10',
    ],
  };
}

/** ` --source shop`, fit for a shell. */
export function sourceOf(target: string | null): string {
  if (target === null) return '';
  const plain = flat(target);
  return ` --source ${/^[\w.@%+:,/][\w.@%+:,/-]*$/.test(plain) ? plain : `'${plain.replaceAll("'", "'\\''")}'`}`;
}
