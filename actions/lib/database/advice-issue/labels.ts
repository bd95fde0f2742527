import { z } from 'zod';
import { createLabel, deleteLabel, type GitHub, removeLabel } from '../../github/index.ts';
import { flat } from '../../markdown/index.ts';
import { namesOf, type OfferedChange } from '../apply/index.ts';
import { type AdviceIssue, adviceLabel, isAdviceFor } from './issue.ts';

/**
 * The label that chooses one change. It names the change itself, and not "what this issue offers": an issue may be
 * brought up to date between the look at it and the label, and an id always means the same definition.
 */
export const choiceLabel = (id: string) => `${choicePrefix}${id}`;
const choicePrefix = 'apply-index:';

/** The id that a label chooses; undefined for other labels. To GitHub upper and lower case are the same. */
export function chosenBy(label: string): string | undefined {
  const name = label.toLowerCase();
  return name.startsWith(choicePrefix) ? name.slice(choicePrefix.length) : undefined;
}

/** More would bury the labels of the repository; the others are applied by their ids. */
const mostLabels = 30;
/** GitHub's limit. */
const mostCharacters = 100;

const labelSchema = z.object({ name: z.string(), description: z.string().nullish() });

/**
 * Makes the label of the advice and one for each change that is offered, for people to pick from, and takes away those of
 * changes of this database that are not offered any more: also from where they stand, so that what is out of date cannot
 * be applied. Labels are of the repository, and the same change of two databases has the same one: while the open advice
 * for another database has it, it leaves the issue of this one and nothing else. A label that a person made is left alone.
 *
 * @param issues the advice for every database, as it was until now
 * @throws GitHubError
 */
export async function syncChoiceLabels(
  github: GitHub,
  database: string,
  changes: readonly OfferedChange[],
  issues: readonly AdviceIssue[],
): Promise<void> {
  const known = new Map<string, string>();
  for await (const raw of github.paginate('GET /repos/{owner}/{repo}/labels', {}, { mostPages: 10 })) {
    const label = labelSchema.safeParse(raw).data;
    if (label) known.set(label.name.toLowerCase(), label.description ?? '');
  }
  const wanted = new Map(
    changes.slice(0, mostLabels).map(change => [choiceLabel(change.id), descriptionOf(database, change)]),
  );
  if (changes.length > 0 && !known.has(adviceLabel)) {
    await createLabel(github, { name: adviceLabel, color: '0e8a16', description: 'Written by Production Ops' });
  }
  for (const [name, description] of wanted) {
    if (!known.has(name)) await createLabel(github, { name, color: 'c2e0c6', description });
  }
  const own = issues.filter(issue => isAdviceFor(issue, database));
  const others = issues.filter(issue => issue.state === 'open' && !own.includes(issue));
  for (const [name, description] of known) {
    if (wanted.has(name) || !isOurs(name, description, database, own)) continue;
    if (!others.some(issue => hasChoice(issue, name))) await deleteLabel(github, name);
    else for (const issue of own) if (wears(issue, name)) await removeLabel(github, issue.number, name);
  }
}

/** It was made for this database, or for another one, and this one offered the same. */
function isOurs(name: string, description: string, database: string, own: readonly AdviceIssue[]): boolean {
  if (chosenBy(name) === undefined || !description.startsWith(descriptionBeginning)) return false;
  return description.startsWith(descriptionOf(database)) || own.some(issue => hasChoice(issue, name));
}

function hasChoice(issue: AdviceIssue, name: string): boolean {
  return wears(issue, name) || issue.body.includes(chosenBy(name)!);
}

function wears({ labels }: AdviceIssue, name: string): boolean {
  return labels.some(label => label.toLowerCase() === name);
}

const descriptionBeginning = 'Advice for ';

function descriptionOf(database: string, change?: OfferedChange): string {
  const what = change ? `${change.kind} ${namesOf(change).index} on ${namesOf(change).table}` : '';
  return flat(`${descriptionBeginning}${database}: ${what}`).slice(0, mostCharacters).toWellFormed();
}
