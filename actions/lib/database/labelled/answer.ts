import { type GitHub, GitHubError } from '../../github/index.ts';
import { codeSpan } from '../../markdown/index.ts';
import type { Report } from '../../reports/index.ts';
import { type ApplyData, applySummary } from '../apply/index.ts';

/** GitHub takes 65,536. */
const mostCharacters = 60_000;

/**
 * Says below the issue what came of the choice, and takes the label away: set again, it is a choice again.
 * @throws GitHubError
 */
export async function answer(
  github: GitHub,
  { issue: number, label }: { issue: number; label: string },
  outcome: Pick<Report<ApplyData>, 'data' | 'checks' | 'error'> & { person: string },
  reportId: string,
): Promise<void> {
  const lead = `${codeSpan(label)}, chosen by ${codeSpan(outcome.person)}; report ${codeSpan(reportId)}`;
  const body = `${lead}\n\n${applySummary(outcome)}`.slice(0, mostCharacters).toWellFormed();
  await removeLabel(github, number, label);
  await github.request('POST /repos/{owner}/{repo}/issues/{number}/comments', { number, body });
}

async function removeLabel(github: GitHub, number: number, name: string): Promise<void> {
  try {
    await github.request('DELETE /repos/{owner}/{repo}/issues/{number}/labels/{name}', { number, name });
  } catch (error) {
    if (!(error instanceof GitHubError) || error.code !== 'GITHUB_NOT_FOUND') throw error;
  }
}
