import type { OpsContext } from '../../context/index.ts';
import { toOpsError } from '../../errors/index.ts';
import { type GitHub, githubOf, mostBodyCharacters } from '../../github/index.ts';
import { codeSpan } from '../../markdown/index.ts';
import {
  adviceLabel,
  adviceMarker,
  choiceLabel,
  isAdviceFor,
  listAdviceIssues,
  syncChoiceLabels,
} from '../advice-issue/index.ts';
import type { AdviseData } from './data.ts';
import { evidence } from './text.ts';

/**
 * The evidence as one issue for each database, brought up to date in place: opened when something is offered, closed when
 * nothing is any more, and none that a person wrote is touched. What fails here is a warning: the advice is on record, and
 * the next one writes the issue anew.
 */
export async function publishAdvice(data: AdviseData, context: OpsContext): Promise<void> {
  const { config, log } = context;
  const github = githubOf(context);
  if (!github) {
    log.warn('No issue was written: GITHUB_TOKEN or GITHUB_REPOSITORY is not set');
    return;
  }
  try {
    await writeAdvice(data, github, config.alerts.authors);
  } catch (thrown) {
    const { message, hint } = toOpsError(thrown);
    log.warn(`The issue with the evidence was not written: ${message}${hint ? `. ${hint}` : ''}`);
  }
}

/** @throws GitHubError */
async function writeAdvice(data: AdviseData, github: GitHub, authors: readonly string[]): Promise<void> {
  const issues = await listAdviceIssues(github, authors);
  const found = issues.find(issue => isAdviceFor(issue, data.database));
  const isOffering = data.changes.length > 0;
  if (!found && !isOffering) return;
  await syncChoiceLabels(github, data.database, data.changes, issues);
  const title = `Indexes: ${data.changes.length} proved changes for ${data.database.replace(/[@#\s]+/g, ' ')}`;
  const body = issueBody(data);
  if (!found) {
    await github.request('POST /repos/{owner}/{repo}/issues', { title, body, labels: [adviceLabel] });
    return;
  }
  const state = isOffering ? 'open' : 'closed';
  if (found.body === body && found.state === state && found.title === title) return;
  await github.request('PATCH /repos/{owner}/{repo}/issues/{number}', {
    number: found.number,
    title,
    body,
    state,
    ...(state === 'closed' && { state_reason: 'completed' }),
  });
}

export function issueBody(data: AdviseData): string {
  const lead = [adviceMarker(data.database), ...howToApply(data)].join('\n');
  return `${lead}\n${evidence(data, mostBodyCharacters - lead.length - 1)}`;
}

function howToApply({ changes }: AdviseData): string[] {
  const [first] = changes;
  if (!first) return [];
  return [
    `Nothing of this is applied by itself. To apply one of the changes below, put its label on this issue, for example ${codeSpan(choiceLabel(first.id))}; or run the workflow Database with its id. Whoever does must be allowed to write to this repository.`,
    '',
  ];
}
