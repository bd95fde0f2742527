import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { type GitHub, listFolder, readText } from '../github/index.ts';
import type { Schedule } from '../schedule/index.ts';

/** A file of `.github/workflows`, as far as the watchdog asks. */
export interface Workflow {
  /** `backup.yml` */
  readonly file: string;
  readonly schedules: readonly Schedule[];
  readonly jobs: readonly WorkflowJob[];
}

export interface WorkflowJob {
  readonly condition: string | undefined;
  readonly steps: readonly WorkflowStep[];
}

export interface WorkflowStep {
  readonly uses: string;
  readonly condition: string | undefined;
  readonly with: Readonly<Record<string, string>>;
}

export interface FoundWorkflows {
  workflows: Workflow[];
  /** Files that are no workflow, with the reason. */
  unreadable: { file: string; reason: string }[];
}

export const workflowsFolder = '.github/workflows';

/** Those of a checkout; undefined when there is no such folder. */
export async function readWorkflows(root: string): Promise<FoundWorkflows | undefined> {
  const folder = join(root, workflowsFolder);
  let names: string[];
  try {
    names = await readdir(folder);
  } catch {
    return undefined;
  }
  return parseAll(names, name => readFile(join(folder, name), 'utf8'));
}

/** Those of the default branch, whose schedules are the ones that run. */
export async function fetchWorkflows(github: GitHub): Promise<FoundWorkflows> {
  const entries = await listFolder(github, workflowsFolder, undefined);
  return parseAll(
    entries.filter(entry => entry.type === 'file').map(entry => entry.name),
    async name => (await readText(github, `${workflowsFolder}/${name}`, undefined)) ?? '',
  );
}

async function parseAll(names: readonly string[], read: (name: string) => Promise<string>): Promise<FoundWorkflows> {
  const found: FoundWorkflows = { workflows: [], unreadable: [] };
  for (const file of names.filter(name => /\.ya?ml$/.test(name)).sort()) {
    const text = await read(file);
    try {
      found.workflows.push(parseWorkflow(file, text));
    } catch (error) {
      found.unreadable.push({ file, reason: (error as Error).message.split('\n')[0]! });
    }
  }
  return found;
}

const scalar = z.union([z.string(), z.number(), z.boolean(), z.null()]).transform(value => String(value ?? ''));
const condition = scalar.optional();
const stepSchema = z.looseObject({
  uses: z.string().optional(),
  if: condition,
  with: z.record(z.string(), scalar).nullish(),
});
const workflowSchema = z.looseObject({
  on: z.unknown(),
  jobs: z.record(z.string(), z.looseObject({ if: condition, steps: z.array(stepSchema).optional() })),
});
const scheduleSchema = z.looseObject({
  schedule: z.array(z.looseObject({ cron: z.string(), timezone: z.string().optional() })).nullish(),
});

/** @throws Error what is wrong with the file */
export function parseWorkflow(file: string, text: string): Workflow {
  const content = workflowSchema.safeParse(parse(text));
  if (!content.success) throw new Error(`it is not a workflow: ${z.prettifyError(content.error).split('\n')[0]}`);
  const { on, jobs } = content.data;
  // `on: push` and `on: [push]` have no schedule.
  const isMap = typeof on === 'object' && on !== null && !Array.isArray(on);
  const { schedule } = isMap ? scheduleSchema.parse(on) : {};
  return {
    file,
    schedules: (schedule ?? []).map(({ cron, timezone }) => ({ cron, timeZone: timezone })),
    jobs: Object.values(jobs).map(job => ({
      condition: job.if,
      steps: (job.steps ?? []).flatMap(step =>
        step.uses === undefined ? [] : [{ uses: step.uses, condition: step.if, with: step.with ?? {} }],
      ),
    })),
  };
}
