import { sourceDatabase } from '../../backup/index.ts';
import type { OpsContext } from '../../context/index.ts';
import { OpsError, toOpsError } from '../../errors/index.ts';
import { type GitHub, requireGitHub } from '../../github/index.ts';
import type { Operation } from '../../reports/index.ts';
import { chosenBy, readAdviceIssue } from '../advice-issue/index.ts';
import { type ApplyData, applyOperation } from '../apply/index.ts';
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
  async execute({ issue, label, dryRun }, context) {
    const id = idIn(label);
    const github = requireGitHub(context, "'issues: write'");
    const person = await whoChose(github, { issue, label }, context);
    await assertMayWrite(github, person);
    const chosen = { report: 'latest', ids: [id], reindex: [], mend: false, declared: false, dryRun, chosenBy: person };
    return applyOperation.execute(chosen, context);
  },
  /** Whoever chose is answered, also when nothing came of it; an issue where nobody did is not written to. */
  async announce(report, input, context) {
    if (chosenBy(input.label) === undefined) return;
    try {
      const github = requireGitHub(context, "'issues: write'");
      const person = report.data?.chosenBy ?? (await whoChose(github, input, context));
      await answer(github, input, { ...report, person }, report.id);
    } catch (thrown) {
      context.log.warn(`Issue ${input.issue} was not answered: ${toOpsError(thrown).message}`);
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

/** The login of who put the label there last. @throws OpsError `APPLY_NOT_OUR_ISSUE`, `APPLY_WITHDRAWN`; GitHubError */
async function whoChose(
  github: GitHub,
  { issue: number, label }: Pick<LabelledInput, 'issue' | 'label'>,
  context: OpsContext,
): Promise<string> {
  const { database } = sourceDatabase(context);
  const { data } = await github.request('GET /repos/{owner}/{repo}/issues/{number}', { number });
  const issue = readAdviceIssue(data, database, context.config.alerts.authors);
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
