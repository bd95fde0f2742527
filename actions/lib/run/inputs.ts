import { isDeepStrictEqual } from 'node:util';
import * as core from '@actions/core';
import { z } from 'zod';
import { byteSize, nearest } from '../config/index.ts';
import { OpsError } from '../errors/index.ts';

/**
 * The inputs of each action, by the names in its `action.yml` (a test holds the two equal). Actions passes an input
 * that was not given as an empty string: that is its default here. No secret is an input: secrets come from `env`.
 */

const flag = (byDefault: boolean) =>
  z
    .preprocess(value => (value === '' ? String(byDefault) : value), z.enum(['true', 'false']))
    .transform(value => value === 'true');
const text = z.string().transform(value => value || undefined);
const choice = <const Names extends readonly [string, ...string[]]>(names: Names) =>
  z.preprocess(value => (value === '' ? undefined : value), z.enum(names).optional());
const setId = z.string().transform(value => value || 'latest');
const count = z
  .string()
  .regex(/^([1-9]\d{0,3})?$/, 'must be a whole number of at least 1')
  .transform(value => (value === '' ? undefined : Number(value)));
const listBy = (separator: RegExp) =>
  z.string().transform(value =>
    value
      .split(separator)
      .map(item => item.trim())
      .filter(item => item !== ''),
  );
const list = listBy(/[,\n]/);
/** One a line: a glob may hold commas. */
const lines = listBy(/\n/);

type Refinement = (inputs: Readonly<Record<string, unknown>>, context: Pick<z.core.$RefinementCtx, 'addIssue'>) => void;

/** Whether an input says something: it is not what an empty one comes to. */
const isGiven = (schema: z.ZodObject, inputs: Readonly<Record<string, unknown>>, name: string) =>
  !isDeepStrictEqual(inputs[name], z.parse(schema.shape[name]!, ''));

/**
 * Refuses what is given outside of the modes that it belongs to: without its mode an input would be passed over without a
 * word. @param modes of each input that not every mode has
 */
function inItsMode(schema: z.ZodObject, modes: Readonly<Record<string, readonly string[]>>): Refinement {
  return (inputs, { addIssue }) => {
    for (const [name, of] of Object.entries(modes)) {
      if (isGiven(schema, inputs, name) && !of.includes(String(inputs.mode)))
        addIssue({ code: 'custom', path: [name], message: `that is for mode: ${of.join(' and ')}` });
    }
  };
}

/** Refuses every one of `names` beside `sole`, which says all that is to be done. */
function alone(schema: z.ZodObject, sole: string, names: readonly string[], why: string): Refinement {
  return (inputs, { addIssue }) => {
    if (!isGiven(schema, inputs, sole)) return;
    for (const name of names)
      if (isGiven(schema, inputs, name)) addIssue({ code: 'custom', path: [name], message: why });
  };
}

export const backupInputs = z.strictObject({
  config: text,
  what: z.preprocess(value => (value === '' ? 'database' : value), z.enum(['database', 'files', 'all'])),
  prune: flag(false),
  'dry-run': flag(false),
  'fail-on-breach': flag(true),
});

export const restoreInputs = z.strictObject({
  config: text,
  what: z.preprocess(value => (value === '' ? 'database' : value), z.enum(['database', 'files'])),
  set: setId,
  source: text,
  to: text,
  confirm: text,
  jobs: count,
  tables: list,
  roles: flag(false),
  'no-owner': flag(false),
  force: flag(false),
  'dry-run': flag(false),
});

export const drillInputs = z.strictObject({
  config: text,
  set: setId,
  kind: choice(['database', 'files']),
  source: text,
  'fail-on-breach': flag(true),
});

export const watchdogInputs = z.strictObject({
  config: text,
  'fail-on-breach': flag(true),
});

export const cdnInputs = z.strictObject({
  config: text,
  command: z.preprocess(value => (value === '' ? 'audit' : value), z.enum(['audit', 'purge'])),
  paths: list,
  zone: text,
  hosts: list,
  tags: list,
  // An input that is not set, or says true, must not come to mean everything.
  everything: z.preprocess(value => (value === '' ? undefined : value), z.enum(['everything']).optional()),
  'changed-since': text,
  soft: z.preprocess(
    value => (value === '' ? undefined : value),
    z
      .enum(['true', 'false'])
      .transform(value => value === 'true')
      .optional(),
  ),
  build: text,
  verify: flag(true),
  'dry-run': flag(false),
  'fail-on-breach': flag(true),
});

const everyDatabaseInput = z.strictObject({
  config: text,
  mode: z.preprocess(
    value => (value === '' ? 'analyze' : value),
    z.enum(['analyze', 'connections', 'advise', 'apply', 'cleanup', 'maintain']),
  ),
  set: setId,
  source: text,
  budget: z
    .string()
    .refine(value => value === '' || byteSize(value) !== undefined, 'must be a size, such as 500MB')
    .transform(value => byteSize(value)),
  'write-issue': flag(false),
  indexes: list,
  reindex: list,
  declared: flag(false),
  mend: flag(false),
  issue: z
    .string()
    .regex(/^([1-9]\d{0,9})?$/, 'must be the number of an issue')
    .transform(value => (value === '' ? undefined : Number(value))),
  label: text,
  'chosen-by': text,
  'dry-run': flag(false),
  'fail-on-breach': flag(true),
});

/** `chosen-by` is for all: whoever pressed the button pressed it, whatever came of it. */
export const databaseInputs = everyDatabaseInput
  .superRefine(
    inItsMode(everyDatabaseInput, {
      set: ['advise'],
      source: ['advise'],
      budget: ['advise'],
      'write-issue': ['advise'],
      indexes: ['apply'],
      reindex: ['apply'],
      declared: ['apply'],
      mend: ['apply'],
      issue: ['apply'],
      label: ['apply'],
      'dry-run': ['apply', 'cleanup', 'maintain'],
    }),
  )
  .superRefine(
    alone(
      everyDatabaseInput,
      'issue',
      ['indexes', 'reindex', 'declared', 'mend'],
      "with 'issue' the label on it says what is applied, and nothing else does",
    ),
  )
  .superRefine(
    alone(
      everyDatabaseInput,
      'mend',
      ['indexes', 'reindex', 'declared'],
      'with mend: true nothing is applied that was not begun before',
    ),
  )
  .refine(({ issue, label }) => label === undefined || issue !== undefined, {
    path: ['label'],
    message: "it is the label on an issue: 'issue' is its number",
  });

const everyAssetsInput = z.strictObject({
  config: text,
  mode: z.preprocess(value => (value === '' ? 'check' : value), z.enum(['check', 'optimize', 'comment'])),
  files: lines,
  fix: choice(['commit', 'patch']),
  comment: flag(true),
  name: z
    .string()
    .regex(/^[\w-]{0,40}$/, 'must be letters, digits, - and _, at most 40')
    .transform(value => value || undefined),
  'pull-request': flag(false),
  'in-place': flag(false),
  out: text,
  manifest: text,
  shard: text,
  bundle: text,
  bundles: lines,
  artifact: z.string().transform(value => value || 'assets-review'),
  'fail-on-breach': flag(true),
});

export const assetsInputs = everyAssetsInput
  .superRefine(
    inItsMode(everyAssetsInput, {
      files: ['check', 'optimize'],
      fix: ['check'],
      'pull-request': ['optimize'],
      'in-place': ['optimize'],
      out: ['optimize'],
      manifest: ['optimize'],
      shard: ['check', 'optimize'],
      bundle: ['check', 'optimize'],
      bundles: ['optimize'],
    }),
  )
  .superRefine(
    alone(
      everyAssetsInput,
      'pull-request',
      ['in-place', 'out', 'manifest'],
      'with pull-request: true nothing is written here',
    ),
  );

export type InputSchema = z.ZodObject<{ config: typeof text }>;

/**
 * Reads every input once; nothing else in the repository calls `getInput`.
 * @throws OpsError `USAGE` (exit 2) that names the input
 */
export function loadInputs<Schema extends InputSchema>(schema: Schema): Readonly<z.output<Schema>> {
  const given = Object.fromEntries(Object.keys(schema.shape).map(name => [name, core.getInput(name)]));
  const parsed = schema.safeParse(given);
  if (parsed.success) return Object.freeze(parsed.data);
  const issue = parsed.error.issues[0]!;
  const name = String(issue.path[0]);
  const value = given[name] ?? '';
  const choices = issue.code === 'invalid_value' ? issue.values.map(String) : [];
  const near = nearest(value, choices);
  throw new OpsError(
    'USAGE',
    choices.length > 0
      ? `The input '${name}' is '${value}', which is not one of: ${choices.join(', ')}`
      : `The input '${name}' is '${value}', and ${issue.message}`,
    {
      hint: near ? `Did you mean '${near}'?` : `Correct '${name}' below 'with:' in the workflow.`,
      exit: 'usage',
    },
  );
}
