import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { configSchema, loadConfig } from '../../actions/lib/config/index.ts';
import * as inputSchemas from '../../actions/lib/run/inputs.ts';
import { type InputSchema, loadInputs, restoreInputs } from '../../actions/lib/run/inputs.ts';
import { actionNames, staleFiles } from '../../scripts/build.ts';
import { frameOutputs } from '../actions/bundles.ts';
import { type GitHubParser, loadParser } from './parser.ts';

const root = join(import.meta.dirname, '../..');
const names = await actionNames(root);
/** `assets-check` has `assetsCheckInputs`. */
const schemaName = (name: string) => `${name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase())}Inputs`;
const schemaOf = (name: string) =>
  (inputSchemas as unknown as Record<string, InputSchema | undefined>)[schemaName(name)];
const read = (path: string) => readFileSync(join(root, path), 'utf8');

test('every action has its schema of inputs, and every schema its action', () => {
  const known = Object.keys(inputSchemas).filter(key => key.endsWith('Inputs') && key !== 'loadInputs');
  expect(known.sort()).toEqual(names.map(schemaName).sort());
});

test('every action is run as the runner runs it by some test, which holds its outputs to its action.yml', () => {
  const tests = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
    .filter(path => path.endsWith('.test.ts'))
    .map(path => read(`test/${path}`));
  const isRun = (name: string) => tests.some(text => new RegExp(`\\b(act|run)\\(\\s*'${name}'`).test(text));
  expect(names.filter(name => !isRun(name))).toEqual([]);
});

describe.each(names)('the action %s', name => {
  const text = read(`actions/${name}/action.yml`);
  const action = parse(text);
  const schema = schemaOf(name)!;
  const code = read(`actions/${name}/main.ts`);
  let parser: GitHubParser;
  beforeAll(async () => {
    parser = await loadParser();
  });

  test('is one that GitHub accepts', () => {
    expect(parser.actionErrors('action.yml', text)).toEqual([]);
    expect(parser.actionErrors('action.yml', text.replace('node24', 'node99'))).not.toEqual([]);
    expect(action.runs).toEqual({ using: 'node24', main: 'dist/main.mjs' });
  });

  test('declares the inputs that its code reads, and no other', () => {
    expect(Object.keys(action.inputs).sort()).toEqual(Object.keys(schema.shape).sort());
    // The frame uses these two.
    for (const input of Object.keys(schema.shape).filter(key => !['config', 'fail-on-breach'].includes(key))) {
      expect(code).toMatch(new RegExp(`inputs(\\.${input}\\b|\\['${input}'\\])`));
    }
  });

  test('declares the outputs that the frame sets, and what its code sets', () => {
    const declared = Object.keys(action.outputs);
    expect(declared).toEqual(expect.arrayContaining(frameOutputs));
    for (const output of declared.filter(each => !frameOutputs.includes(each)))
      expect(code).toMatch(new RegExp(`(^|[\\s{'])${output}'?\\s*[:,}]`, 'm'));
    // None is without a word on what it holds.
    for (const { description } of Object.values(action.outputs) as { description: string }[])
      expect(description).toMatch(/\w{3}/);
  });

  test('means by its defaults what the code means by nothing', () => {
    const declared = Object.fromEntries(
      Object.entries(action.inputs as Record<string, { default?: string }>).map(([key, input]) => [
        key,
        input.default ?? '',
      ]),
    );
    const nothing = Object.fromEntries(Object.keys(schema.shape).map(key => [key, '']));
    expect(schema.parse(declared)).toEqual({ ...schema.parse(nothing) });
  });

  test('names no secret among its inputs', () => {
    expect(Object.keys(action.inputs).filter(key => /url|key|secret|password|token|identity/i.test(key))).toEqual([]);
  });
});

describe('inputs', () => {
  const given = (values: Record<string, string>) => {
    const names = Object.entries(values).map(([key, value]) => [`INPUT_${key.toUpperCase()}`, value] as const);
    for (const [name, value] of names) process.env[name] = value;
    try {
      return loadInputs(restoreInputs);
    } finally {
      for (const [name] of names) delete process.env[name];
    }
  };

  test('are read, typed and frozen', () => {
    const inputs = given({
      what: 'files',
      jobs: '4',
      tables: 'orders, public.audit_*\nusers,',
      force: 'true',
      to: ' /srv ',
    });
    expect(inputs).toMatchObject({
      what: 'files',
      set: 'latest',
      jobs: 4,
      tables: ['orders', 'public.audit_*', 'users'],
      force: true,
      roles: false,
      to: '/srv',
      confirm: undefined,
    });
    expect(Object.isFrozen(inputs)).toBe(true);
  });

  test.each([
    [{ jobs: '0' }, /^The input 'jobs' is '0', and must be a whole number/],
    [{ jobs: '2.5' }, /'jobs' is '2\.5'/],
    [{ 'no-owner': 'True' }, /'no-owner' is 'True', which is not one of: true, false/],
    [{ what: 'all' }, /'what' is 'all', which is not one of: database, files/],
  ])('%j is refused', (values, message) => {
    expect(() => given(values as Record<string, string>)).toThrow(message);
  });

  test('are read in one place only', () => {
    const files = readdirSync(join(root, 'actions'), { recursive: true, encoding: 'utf8' })
      .filter(path => path.endsWith('.ts') && !/(^|\/)dist\//.test(path))
      .filter(path => /\bget(Multiline|Boolean)?Input\(/.test(read(`actions/${path}`)));
    expect(files).toEqual(['lib/run/inputs.ts']);
  });
});

describe('what is generated and in git', () => {
  test('is current', async () => {
    expect(await staleFiles(root)).toEqual([]);
  });

  test('is found when it is not', async () => {
    const copy = mkdtempSync(join(tmpdir(), 'ops-generated-'));
    try {
      for (const path of ['.github', ...names.map(name => `actions/${name}`)]) {
        cpSync(join(root, path), join(copy, path), { recursive: true, filter: from => !from.endsWith('dist') });
      }
      expect(await staleFiles(copy)).toEqual([]);
      const manifest = join(copy, 'actions/drill/action.yml');
      writeFileSync(manifest, readFileSync(manifest, 'utf8').replace('Measured recovery time', 'Recovery time'));
      writeFileSync(join(copy, '.github/ops.schema.json'), '{}\n');
      expect(await staleFiles(copy)).toEqual(['.github/ops.schema.json', 'actions/drill/README.md']);
    } finally {
      rmSync(copy, { recursive: true });
    }
  });
});

describe('.github/ops.yml', () => {
  test('is valid, and every value in it is the default', () => {
    const { config, file } = loadConfig({ env: {}, cwd: root });
    expect(file).toBe(join(root, '.github/ops.yml'));
    expect(config).toEqual(configSchema.parse({}));
  });

  test('shows every key', () => {
    const shown = parse(read('.github/ops.yml'));
    expect(keysOf(shown)).toEqual(keysOf(configSchema.parse({})));
  });

  test('is valid with its examples taken out of their comments', () => {
    const text = read('.github/ops.yml')
      // The empty lists give way to the examples below them.
      .replace(/^( *)(recipients|destinations|assertions): \[\]\n((?: *# .*\n)*?) *# \2:\n/gm, '$1$2:\n')
      .replace(/^( *)# ( {2,}.*)$/gm, '$1$2')
      .replace(/^( *)# (endpoint|prefix): (\S+).*$/gm, '$1$2: $3');
    const folder = mkdtempSync(join(tmpdir(), 'ops-example-'));
    try {
      writeFileSync(join(folder, 'ops.yml'), text);
      const { backup, drill } = loadConfig({ env: {}, cwd: folder, file: 'ops.yml' }).config;
      expect(backup.recipients).toEqual(['age1...']);
      expect(backup.destinations.map(d => d.kind)).toEqual(['s3', 'ftp', 'local']);
      expect(drill.assertions).toHaveLength(1);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

function keysOf(value: unknown, at = ''): string[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [at];
  return Object.entries(value).flatMap(([key, inner]) => keysOf(inner, `${at}.${key}`));
}
