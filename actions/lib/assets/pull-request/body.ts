import { formatBytes, formatCount } from '../../log/index.ts';
import { inertText, link } from '../../markdown/index.ts';
import type { Check } from '../../reports/index.ts';
import type { AssetsData } from '../data.ts';
import { budgetTable, changeTable, leftTable } from '../text-of.ts';
import { fitted } from './fitted.ts';

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

/** The comment on a pull request: verdict, table, budgets. Everything in it is from elsewhere. */
export function commentBody({ name, data, checks, headSha, runUrl, fix }: BodyInput): string {
  const broken = checks.filter(({ status }) => status !== 'ok');
  const foot = [`Of ${headSha.slice(0, 12)}`, ...(runUrl === null ? [] : [link('run', runUrl)])].join(' · ');
  return fitted(most =>
    [
      `### Assets${name === null ? '' : ` (${inertText(name)})`}: ${verdict(broken)}`,
      sentence(data),
      most === 0 ? 'There is more than fits into a comment: the summary of the run has it.' : '',
      broken
        .slice(0, most)
        .map(({ message }) => `- ❌ ${inertText(message)}`)
        .join('\n'),
      changeTable(data.changes, most),
      section('**Budgets**', budgetTable(data.budgets, most)),
      folded(`${formatCount(data.leftFiles)} left as they are`, leftTable(data.left, data.leftFiles, most)),
      fix === null ? '' : inertText(fix),
      `<sub>${foot}</sub>`,
    ]
      .filter(part => part !== '')
      .join('\n\n'),
  );
}

function section(title: string, table: string): string {
  return table === '' ? '' : `${title}\n\n${table}`;
}

function folded(title: string, table: string): string {
  return table === '' ? '' : `<details><summary>${title}</summary>\n\n${table}\n\n</details>`;
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
