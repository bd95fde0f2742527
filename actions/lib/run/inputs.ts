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
const list = z.string().transform(value =>
  value
    .split(/[,\n]/)
    .map(item => item.trim())
    .filter(item => item !== ''),
);

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

export const databaseInputs = z.strictObject({
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
