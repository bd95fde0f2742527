import { OpsError } from '../errors/index.ts';
import { formatCount } from '../log/index.ts';

/**
 * From here on GitHub's contents API no longer gives a file as JSON, and a page in the browser shows it no more.
 * https://docs.github.com/en/rest/repos/contents
 */
const largeFileBytes = 1_000_000;
/** A tenth of what GitHub refuses: https://docs.github.com/en/repositories/creating-and-managing-repositories/repository-limits */
const mostFileBytes = 10_000_000;
/** GitHub's recommendation, on the same page. */
const mostEntries = 3_000;
const manyEntries = 0.9 * mostEntries;

/**
 * Looks at what is about to be kept, before anything is.
 *
 * @param files whole new texts by path
 * @param folder the one that grows with each run, as it will be
 * @returns one line for each thing that comes near a limit
 * @throws OpsError `REPORT_SIZE`
 */
export function guardSizes(
  files: ReadonlyMap<string, string>,
  folder: { path: string; entries: number } | undefined,
): string[] {
  const warnings: string[] = [];
  // The report first: when it is too large, its copy is as well.
  for (const [name, text] of [...files].reverse()) {
    const bytes = Buffer.byteLength(text);
    if (bytes <= largeFileBytes) continue;
    const advice = adviceFor(name);
    const finding = `${name} would have ${formatCount(bytes)} bytes; the limit is ${formatCount(mostFileBytes)}`;
    if (bytes > mostFileBytes) throw new OpsError('REPORT_SIZE', finding, { hint: advice });
    warnings.push(`${finding}, and from ${formatCount(largeFileBytes)} on GitHub does not show it. ${advice}`);
  }
  if (folder && folder.entries > manyEntries) {
    const advice = 'Run it less often: several measurements go into one report as samples.';
    const finding = `${folder.path} would have ${formatCount(folder.entries)} entries; the limit is ${formatCount(mostEntries)}`;
    if (folder.entries > mostEntries) throw new OpsError('REPORT_SIZE', finding, { hint: advice });
    warnings.push(`${finding}. ${advice}`);
  }
  return warnings;
}

function adviceFor(name: string): string {
  if (name.startsWith('metrics/')) return 'Measure fewer series, or less often.';
  if (name === 'alerts.json') return 'Too much waits to be said: mend what breaches, or silence it (alerts.silences).';
  return 'A report is no place for long lists.';
}
