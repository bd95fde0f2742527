import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { configJsonSchema, loadConfig, nearest } from '../../actions/lib/config/index.ts';
import { OpsError } from '../../actions/lib/errors/index.ts';

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ops-config-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function load(yaml: string, env: Record<string, string> = {}) {
  writeFileSync(join(folder, 'ops.yml'), yaml);
  return loadConfig({ env, cwd: folder, file: 'ops.yml' });
}

function refused(yaml: string, env: Record<string, string> = {}): OpsError {
  try {
    load(yaml, env);
  } catch (error) {
    expect(error).toBeInstanceOf(OpsError);
    expect((error as OpsError).exitCode).toBe(2);
    expect((error as OpsError).hint).toMatch(/\S.*[.)]$/);
    expect((error as OpsError).message).not.toMatch(/\n/);
    return error as OpsError;
  }
  throw new Error('it was accepted');
}

describe('a file that is wrong is refused with its line and what to do', () => {
  test.each([
    [
      'an unknown key',
      'platform: shop\nbackup:\n  jobs: 2\n  compresionLevel: 3\n',
      'CONFIG_INVALID',
      "ops.yml:4: unknown key 'backup.compresionLevel'",
      /Did you mean 'compressionLevel'\? Known keys here: /,
    ],
    [
      'an unknown key that is like no other',
      'zzz: 1\n',
      'CONFIG_INVALID',
      "ops.yml:1: unknown key 'zzz'",
      /^Known keys here: platform, backup, .*log.*\.$/,
    ],
    [
      'an unknown key inside a list',
      'backup:\n  destinations:\n    - kind: local\n      pth: /backups\n',
      'CONFIG_INVALID',
      "ops.yml:4: unknown key 'backup.destinations.0.pth'",
      /Did you mean 'path'\?/,
    ],
    ['a wrong type', 'backup:\n  jobs: many\n', 'CONFIG_INVALID', /^ops\.yml:2: 'backup\.jobs': .*number/, /line/],
    ['a number out of its range', 'backup:\n  jobs: 0\n', 'CONFIG_INVALID', /^ops\.yml:2: 'backup\.jobs'/, /line/],
    [
      'a word that is none of those',
      'log:\n  level: loud\n',
      'CONFIG_INVALID',
      /^ops\.yml:2: 'log\.level': .*"debug"\|"info"\|"warn"\|"error"/,
      /line/,
    ],
    [
      'a kind of destination that there is not',
      'backup:\n  destinations:\n    - kind: gcs\n',
      'CONFIG_INVALID',
      /^ops\.yml:3: 'backup\.destinations\.0\.kind'/,
      /line/,
    ],
    ['a section that is a word', 'backup: yes please\n', 'CONFIG_INVALID', /^ops\.yml:1: 'backup'/, /line/],
    ['a key twice', 'backup:\n  jobs: 1\n  jobs: 2\n', 'CONFIG_SYNTAX', /^ops\.yml:3: .*unique/, /YAML/],
    ['a tab', 'backup:\n\tjobs: 1\n', 'CONFIG_SYNTAX', /^ops\.yml:2: /, /YAML/],
    ['an open quote', 'platform: "shop\n', 'CONFIG_SYNTAX', /^ops\.yml:\d: /, /YAML/],
    ['a list at the top', '- a\n- b\n', 'CONFIG_INVALID', /^ops\.yml:1: the file must hold keys/, /example/],
    ['two documents', 'platform: a\n---\nplatform: b\n', 'CONFIG_SYNTAX', /^ops\.yml:\d/, /YAML/],
  ])('%s', (_what, yaml, code, message, hint) => {
    const error = refused(yaml);
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
    expect(error.hint).toMatch(hint);
  });

  test('all that is wrong is named at once, the mistyped key first', () => {
    const error = refused('backup:\n  jobs: 0\n  recipient: [a]\nlog: { level: loud }\n');
    expect(error.message).toMatch(/^ops\.yml:3: unknown key 'backup\.recipient' \(and 2 more: /);
    expect(error.message).toMatch(/ops\.yml:2: 'backup\.jobs'/);
    expect(error.hint).toMatch(/Did you mean 'recipients'\?/);
  });

  test('a file that was named and is not there', () => {
    try {
      loadConfig({ env: {}, cwd: folder, file: 'nix.yml' });
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({ code: 'CONFIG_MISSING', exitCode: 2, message: expect.stringMatching('nix.yml') });
    }
  });

  test('a folder in place of the file', () => {
    mkdirSync(join(folder, 'folder.yml'), { recursive: true });
    try {
      loadConfig({ env: {}, cwd: folder, file: 'folder.yml' });
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({ code: 'CONFIG_MISSING', exitCode: 2 });
    }
  });

  test('a secret in the file is an unknown key, and its value is not repeated', () => {
    const error = refused('backup:\n  destinations:\n    - { kind: ftp, url: "ftp://u:hunter2@h/" }\n');
    expect(error.message).toMatch(/unknown key 'backup\.destinations\.0\.url'/);
    expect(`${error.message}${error.hint}`).not.toMatch('hunter2');
  });
});

describe('the environment', () => {
  const load = (env: Record<string, string>) => loadConfig({ env, cwd: join(folder, 'empty') });

  test('alone is enough', () => {
    const { config, secrets, file } = load({
      DATABASE_URL: 'postgres://u:p@h/shop',
      BACKUP_LOCAL_PATH: '/backups',
      BACKUP_AGE_RECIPIENTS: 'age1abc, age1def',
      BACKUP_FILES_PATHS: '/srv/a,/srv/b',
    });
    expect(file).toBeUndefined();
    expect(config.backup).toMatchObject({
      destinations: [{ kind: 'local', path: '/backups' }],
      recipients: ['age1abc', 'age1def'],
      files: { paths: ['/srv/a', '/srv/b'] },
    });
    expect(secrets.databaseUrl).toBe('postgres://u:p@h/shop');
  });

  test('overrides the file, and replaces only the destination of its own kind', () => {
    writeFileSync(
      join(folder, 'ops.yml'),
      'backup:\n  jobs: 3\n  destinations:\n    - { kind: local, path: /a }\n    - { kind: s3, bucket: keep }\n',
    );
    const { config } = loadConfig({
      env: { BACKUP_LOCAL_PATH: '/b', BACKUP_JOBS: '7', LOG_LEVEL: 'debug' },
      cwd: folder,
      file: 'ops.yml',
    });
    expect(config.backup.jobs).toBe(7);
    expect(config.log.level).toBe('debug');
    expect(config.backup.destinations).toMatchObject([
      { kind: 's3', bucket: 'keep' },
      { kind: 'local', path: '/b' },
    ]);
  });

  test('that is empty or blank counts as absent, as an unset secret does in a workflow', () => {
    const { config, secrets } = load({ DATABASE_URL: ' ', BACKUP_S3_BUCKET: '', BACKUP_AGE_RECIPIENTS: '\n' });
    expect(secrets.databaseUrl).toBeUndefined();
    expect(config.backup).toMatchObject({ destinations: [], recipients: [] });
  });

  test.each([
    [{ BACKUP_JOBS: 'two' }, /BACKUP_JOBS is 'two'/],
    [{ BACKUP_JOBS: '0' }, /'backup\.jobs'/],
    [{ BACKUP_COMPRESSION_LEVEL: '99' }, /'backup\.compressionLevel'/],
    [{ BACKUP_AGE_RECIPIENTS: ',' }, /BACKUP_AGE_RECIPIENTS names nobody/],
    [{ LOG_LEVEL: 'loud' }, /'log\.level'/],
    [{ LOG_FORMAT: 'xml' }, /'log\.format'/],
    [{ BACKUP_S3_BUCKET: 'b' }, /'backup\.destinations\.0\.bucket'/],
    [{ BACKUP_S3_BUCKET: 'bucket', BACKUP_S3_ENDPOINT: 'minio:9000' }, /'backup\.destinations\.0\.endpoint'/],
  ])('%j is refused', (env, message) => {
    try {
      load(env as unknown as Record<string, string>);
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({ code: 'CONFIG_INVALID', exitCode: 2, message: expect.stringMatching(message) });
      const { message: said, hint } = error as OpsError;
      expect(`${said} ${hint}`).toMatch(Object.keys(env).at(-1)!);
    }
  });

  test.each([
    [{ LOG_LEVEL: 'loud' }, 'LOG_LEVEL'],
    [{ BACKUP_JOBS: '0' }, 'BACKUP_JOBS'],
  ])('%j beside a file: the variable is to blame, not a line', (env, name) => {
    const error = refused('platform: shop\n', env as unknown as Record<string, string>);
    expect(`${error.message} ${error.hint}`).toMatch(name);
    expect(error.hint).not.toMatch('Correct that line');
  });
});

test('a line is that of the file, also where the environment has replaced a destination before it', () => {
  const yaml = 'backup:\n  destinations:\n    - { kind: local, path: /a }\n    - { kind: s3, bucket: no }\n';
  expect(refused(yaml, { BACKUP_LOCAL_PATH: '/b' }).message).toMatch(/^ops\.yml:4: /);
  expect(refused(yaml.replace('bucket: no', 'bucket: good'), { BACKUP_S3_BUCKET: 'b' }).message).toMatch(
    /^BACKUP_S3_BUCKET: /,
  );
});

test('what was loaded cannot be changed', () => {
  const { config } = load('backup: { jobs: 2 }\n');
  expect(() => {
    (config.backup as { jobs: number }).jobs = 3;
  }).toThrow(TypeError);
});

test('an empty file is the defaults', () => {
  for (const yaml of ['', '# nothing\n', 'backup:\n']) expect(load(yaml).config.backup.jobs).toBe(2);
});

test.each([
  ['databse', 'database'],
  ['Destination', 'destinations'],
  ['recipient', 'recipients'],
  ['zzz', undefined],
  ['', undefined],
])('the nearest to %j is %j', (typed, expected) => {
  expect(nearest(typed, ['database', 'destinations', 'recipients', 'jobs'])).toBe(expected);
});

test('the schema for editors knows every section and refuses others', () => {
  expect(configJsonSchema()).toMatchObject({
    type: 'object',
    additionalProperties: false,
    properties: { backup: { properties: { destinations: {} } }, drill: {}, log: {}, reports: {}, platform: {} },
  });
});
