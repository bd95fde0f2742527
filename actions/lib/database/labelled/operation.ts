import type { OpsContext } from '../../context/index.ts';
import { OpsError, toOpsError } from '../../errors/index.ts';
import { createGitHub, type GitHub } from '../../github/index.ts';
import type { Operation } from '../../reports/index.ts';
import { chosenBy, readAdviceIssue } from '../advice-issue/index.ts';
import { type ApplyData, applyOperation, databaseTarget } from '../apply/index.ts';
import { answer } from './answer.ts';
import { assertMayWrite, whoLabelled } from './authority.ts';

export interface LabelledInput {
  /** Number of the issue that the label was put on. */
  issue: number;
  /** `apply-index:create-938b48244ba6` */
  label: string;
  dryRun: boolean;
}

/**
 * Applies the change whose label a person put on the issue of the advice. Who that was is asked of GitHub when it is
 * carried out, and not taken from the event that started the run: a protected environment may have held it for days.
 * @throws OpsError, all of them before anything of the database is looked at: `USAGE` for a label that chooses nothing,
 * `APPLY_NOT_OUR_ISSUE`, `APPLY_WITHDRAWN` (the label or the issue is gone), `APPLY_NOT_ALLOWED` (exit 2 each); then
 * those of `applyOperation`
 */
export const applyLabelledOperation: Operation<LabelledInput, ApplyData> = {
  ...applyOperation,
  async execute(input, context) {
    const id = idIn(input.label);
    const { database } = databaseTarget(context);
    const github = githubOf(context);
    const person = await assertChosen(github, input, database, context);
    try {
      const ids = [id];
      const { dryRun } = input;
      await assertMayWrite(github, person);
      const chosen = { report: 'latest', ids, reindex: [], mend: false, declared: false, dryRun, chosenBy: person };
      const outcome = await applyOperation.execute(chosen, context);
      if (!dryRun) await answer(github, input, { person, ...outcome, error: null }, context);
      return outcome;
    } catch (thrown) {
      context.signal.throwIfAborted();
      const { code, message, hint } = toOpsError(thrown);
      const error = { code, message, ...(hint && { hint }) };
      if (!input.dryRun) await answer(github, input, { person, data: null, checks: [], error }, context);
      throw thrown;
    }
  },
};

function idIn(label: string): string {
  const id = chosenBy(label);
  if (id) return id;
  throw new OpsError('USAGE', `The label '${label}' chooses no change`, {
    hint: 'It is apply-index: and the id of a change, as the issue of the advice shows it.',
    exit: 'usage',
  });
}

function githubOf({ secrets, log, signal }: OpsContext): GitHub {
  const { githubToken: token = '', githubRepository: repository = '', githubApiUrl: apiUrl } = secrets;
  return createGitHub({ token, repository, apiUrl, log, signal });
}

/** @returns the login of who put the label there last */
async function assertChosen(
  github: GitHub,
  { issue: number, label }: LabelledInput,
  database: string,
  { config }: OpsContext,
): Promise<string> {
  const { data } = await github.request('GET /repos/{owner}/{repo}/issues/{number}', { number });
  const issue = readAdviceIssue(data, database, config.alerts.authors);
  if (!issue) {
    throw new OpsError('APPLY_NOT_OUR_ISSUE', `Issue ${number} is not the advice for the database ${database}`, {
      hint: 'Only the issue that the advice itself wrote is heard: put the label there, or choose with --index.',
      exit: 'usage',
    });
  }
  const isThere = issue.labels.some(name => name.toLowerCase() === label.toLowerCase());
  const person = isThere && issue.state === 'open' ? await whoLabelled(github, number, label) : undefined;
  if (person !== undefined) return person;
  const what = issue.state === 'open' ? `The label ${label} is not on issue ${number} any more` : 'The issue is closed';
  throw new OpsError('APPLY_WITHDRAWN', `${what}: nothing is applied`, {
    hint: 'What is not offered any more loses its label. Choose anew of the latest advice.',
    exit: 'usage',
  });
}
