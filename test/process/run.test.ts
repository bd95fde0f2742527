import { Readable } from 'node:stream';
import { afterEach, expect, test } from 'vitest';
import { OpsError } from '../../actions/lib/errors/index.ts';
import { maxCollectedBytes, runChild } from '../../actions/lib/process/index.ts';

const errorCode = 'PROGRAM_FAILED';
const secretName = 'OPS_TEST_SECRET';

afterEach(() => {
  delete process.env[secretName];
});

test.each([
  ['text', 'grüße\n'],
  ['bytes', Buffer.from('grüße\n')],
  ['a stream', Readable.from([Buffer.from('grü'), Buffer.from('ße\n')])],
])('returns what the program printed, given %s', async (_kind, input) => {
  expect(await runChild({ command: 'cat', args: [], errorCode, input })).toEqual({
    stdout: 'grüße\n',
    stderr: '',
    exitCode: 0,
  });
});

test('the environment of this process, and the secrets in it, stay here', async () => {
  process.env[secretName] = 'hunter2';
  const { stdout } = await runChild({ command: 'env', args: [], errorCode, env: { MINE: 'yes', TZ: undefined } });
  const names = stdout
    .trim()
    .split('\n')
    .map(line => line.split('=')[0]);
  expect(names).toEqual(expect.arrayContaining(['PATH', 'LANG', 'MINE']));
  expect(names).not.toContain('TZ');
  expect(stdout).not.toContain('hunter2');
});

test('a hint is made from what the program said', async () => {
  const failing = runChild({
    command: '/bin/sh',
    args: ['-c', 'echo "FATAL: role is missing" >&2; exit 1'],
    errorCode,
    hint: stderr => (stderr.includes('role') ? 'Create the role.' : undefined),
  });
  await expect(failing).rejects.toMatchObject({ code: errorCode, hint: 'Create the role.' });
});

test('a program that needs only the start of its input is fine with it', async () => {
  const long = Readable.from(
    (function* () {
      for (let line = 0; line < 200_000; line++) yield `${line}\n`;
    })(),
  );
  const { stdout } = await runChild({ command: 'head', args: ['-n', '1'], errorCode, input: long });
  expect(stdout).toBe('0\n');
});

test('a source that fails is the reason that is told', async () => {
  const broken = Readable.from(
    (function* () {
      yield Buffer.from('half');
      throw new OpsError('STORAGE_GONE', 'The storage went away');
    })(),
  );
  await expect(runChild({ command: 'cat', args: [], errorCode, input: broken })).rejects.toMatchObject({
    code: 'STORAGE_GONE',
  });
});

test('more output than can be kept is an error, not a full memory', async () => {
  const flood = runChild({ command: 'head', args: ['-c', String(maxCollectedBytes + 1), '/dev/zero'], errorCode });
  await expect(flood).rejects.toMatchObject({ code: errorCode, message: 'head printed more than 64 MiB' });
});
