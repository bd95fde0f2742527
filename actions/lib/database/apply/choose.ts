import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { nearest } from '../../config/index.ts';
import type { OpsContext } from '../../context/index.ts';
import { OpsError } from '../../errors/index.ts';
import { githubOf } from '../../github/index.ts';
import { createReportReader, type Report, reportSchema } from '../../reports/index.ts';
import { adviceSchema, changeId, type OfferedChange } from './change.ts';

export const adviceKind = 'database.advise';

export interface OfferedBy {
  /** Of the report. */
  id: string;
  finishedAt: string;
  changes: OfferedChange[];
}

/**
 * What an advice offers: the newest one (of the repository when there is a token, else of the reports folder), or one in
 * a file.
 * @param which `latest`, or a path
 * @throws OpsError `APPLY_NO_ADVICE` (exit 2), `APPLY_ADVICE_INVALID`
 */
export async function readAdvice(which: string, context: OpsContext): Promise<OfferedBy> {
  const report = which === 'latest' ? await latestAdvice(context) : await adviceIn(which, context);
  const parsed = adviceSchema.safeParse(report.data);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw invalid(report.id, `${issue?.path.join('.')}: ${issue?.message}`);
  }
  for (const change of parsed.data.changes) {
    // Somebody who chose the id saw the definition that it was made from, and no other may take its place.
    if (change.id !== changeId(change))
      throw invalid(report.id, `${change.id} does not belong to what stands beside it`);
  }
  return { id: report.id, finishedAt: report.finishedAt, changes: parsed.data.changes };
}

/** The chosen ones, each once. @throws OpsError `APPLY_UNKNOWN_ID` (exit 2) */
export function choose(offered: OfferedBy, ids: readonly string[]): OfferedChange[] {
  return [...new Set(ids)].map(id => {
    const change = offered.changes.find(candidate => candidate.id === id);
    if (change) return change;
    const known = offered.changes.map(candidate => candidate.id);
    const near = nearest(id, known);
    throw new OpsError('APPLY_UNKNOWN_ID', `The advice ${offered.id} does not offer '${id}'`, {
      hint: near
        ? `Did you mean ${near}? See what it offers with: ops database advise.`
        : known.length > 0
          ? `It offers: ${known.slice(0, 20).join(', ')}.`
          : 'It offers nothing: make a new one with: ops database advise.',
      exit: 'usage',
    });
  });
}

async function latestAdvice(context: OpsContext): Promise<Report> {
  const reader = createReportReader(githubOf(context), context);
  const latest = await reader.latest(adviceKind);
  if (latest?.data) return latest;
  // The latest may be of a run that failed.
  for await (const report of reader.list(adviceKind)) if (report.data) return report;
  throw none(`in ${reader.place}`);
}

async function adviceIn(file: string, { cwd }: OpsContext): Promise<Report> {
  let text: string;
  try {
    text = await readFile(resolve(cwd, file), 'utf8');
  } catch (cause) {
    throw none(`at ${file}: ${(cause as Error).message}`);
  }
  const parsed = reportSchema.safeParse(tryJson(text));
  if (!parsed.success || parsed.data.kind !== adviceKind || parsed.data.data === null) {
    throw none(`at ${file}: it is not a report of ${adviceKind} with data`);
  }
  return parsed.data;
}

function none(where: string): OpsError {
  return new OpsError('APPLY_NO_ADVICE', `There is no advice ${where}`, {
    hint: 'Make one with: ops database advise; or give the path of its report with --report.',
    exit: 'usage',
  });
}

function invalid(id: string, why: string): OpsError {
  return new OpsError('APPLY_ADVICE_INVALID', `The advice ${id} cannot be applied: ${why}`, {
    hint: 'It was changed, or is of another version: make a new one with: ops database advise.',
  });
}

function tryJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
