import { formatBytes, formatCount } from '../../log/index.ts';
import { inertText, link } from '../../markdown/index.ts';
import type { Check } from '../../reports/index.ts';
import type { AssetsData } from '../data.ts';
import { budgetTable, changeTable, leftTable } from '../text-of.ts';

export interface BodyInput {
  /** Of the check, where a pull request has several. */
  name: string | null;
  data: AssetsData;
  checks: readonly Check[];
  headSha: string;
  runUrl: string | null;
  /** What happened to the smaller files. */
  fix: string | null;
}

/** GitHub takes 65,536 characters; what is cut is said. */
const mostCharacters = 60_000;

/** The comment on a pull request: verdict, table, budgets. Everything in it is from elsewhere. */
export function commentBody({ name, data, checks, headSha, runUrl, fix }: BodyInput): string {
  const broken = checks.filter(({ status }) => status !== 'ok');
  for (const most of [50, 20, 5]) {
    const body = [
      `### Assets${name === null ? '' : ` (${inertText(name)})`}: ${verdict(broken)}`,
      sentence(data),
      broken.map(({ message }) => `- ❌ ${inertText(message)}`).join('\n'),
      changeTable(data.changes, most),
      data.budgets.length > 0 ? `**Budgets**\n\n${budgetTable(data.budgets, most)}` : '',
      data.left.length > 0
        ? `<details><summary>${formatCount(data.leftFiles)} left as they are</summary>\n\n${leftTable(data.left, data.leftFiles, most)}\n\n</details>`
        : '',
      fix === null ? '' : inertText(fix),
      `<sub>${[`Of ${headSha.slice(0, 12)}`, runUrl === null ? '' : link('run', runUrl)].filter(Boolean).join(' · ')}</sub>`,
    ]
      .filter(part => part !== '')
      .join('\n\n');
    if (body.length <= mostCharacters) return body;
  }
  return `### Assets: ${verdict(broken)}\n\n${sentence(data)}\n\nThe table is too long for a comment; it is in the summary of the run.`;
}

function verdict(broken: readonly Check[]): string {
  if (broken.length === 0) return '✅ as light as they should be';
  return broken.every(({ id }) => id === 'assets.files') ? '❌ damaged files' : '❌ too heavy';
}

function sentence({ files, bytes, savedBytes, possibleBytes }: AssetsData): string {
  if (files === 0) return 'No file that is looked at is changed.';
  const parts = [`${formatCount(files)} changed ${files === 1 ? 'file weighs' : 'files weigh'} ${formatBytes(bytes)}`];
  if (possibleBytes > 0) parts.push(`**${formatBytes(possibleBytes)} could go** without a visible change`);
  if (savedBytes > 0) parts.push(`${formatBytes(savedBytes)} were taken off`);
  return `${parts.join('; ')}.`;
}
