import { type GitHub, mostBodyCharacters, removeLabel } from '../../github/index.ts';
import { codeSpan } from '../../markdown/index.ts';
import type { Report } from '../../reports/index.ts';
import { type ApplyData, applySummary } from '../apply/index.ts';

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
  const body = `${lead}\n\n${applySummary(outcome)}`.slice(0, mostBodyCharacters).toWellFormed();
  await removeLabel(github, number, label);
  await github.request('POST /repos/{owner}/{repo}/issues/{number}/comments', { number, body });
}
