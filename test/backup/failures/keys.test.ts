import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { generateIdentity } from '../../../actions/lib/age/index.ts';
import { expectRefused, filesBelow, Stage } from './stage.ts';

let stage: Stage;
let id: string;

beforeAll(async () => {
  stage = await Stage.open();
  await stage.database('shop', 'create table orders as select i as id from generate_series(1, 100) i');
  id = await stage.backUp(stage.env('shop'));
});
afterAll(() => stage[Symbol.asyncDispose]());

const reading = ['restore database latest', 'backup verify latest --level content'];

describe('the wrong identity', () => {
  test.each(reading)('%s says that it opens nothing', async command => {
    const target = await stage.database(`wrong_${command.length}`);
    const other = stage.secret(await generateIdentity());
    const env = stage.env('shop', { BACKUP_AGE_IDENTITY: other, RESTORE_DATABASE_URL: target.url });
    expectRefused(await stage.ops(command, env), 1, 'AGE_NO_MATCH', /identity|recipient/i);
    expect(await stage.sql(target, `select relname from pg_class where relnamespace = 'public'::regnamespace`)).toEqual(
      [],
    );
  });

  test('a drill with it COULD NOT VERIFY: never green, and not the fault of the set', async () => {
    const env = stage.env('shop', { BACKUP_AGE_IDENTITY: stage.secret(await generateIdentity()) });
    const report = await stage.report('drill run', env);
    expect(report).toMatchObject({ exitCode: 3, status: 'unknown', data: { verdict: 'COULD NOT VERIFY' } });
    expect((await stage.report('backup list', env)).data).toMatchObject({ sets: [{ verdict: 'COULD NOT VERIFY' }] });
  });

  test('what is stored can be verified without any', async () => {
    const env = stage.env('shop', { BACKUP_AGE_IDENTITY: undefined });
    expect((await stage.ops(`backup verify ${id} --level stored`, env)).exitCode).toBe(0);
  });
});

describe('no identity', () => {
  test.each(reading)('%s says which variable is missing', async command => {
    const target = await stage.database(`none_${command.length}`);
    const env = stage.env('shop', { BACKUP_AGE_IDENTITY: '', RESTORE_DATABASE_URL: target.url });
    expectRefused(await stage.ops(command, env), 2, 'BACKUP_IDENTITY', /BACKUP_AGE_IDENTITY/);
  });

  test('a drill COULD NOT VERIFY, with the reason', async () => {
    const report = await stage.report('drill run', stage.env('shop', { BACKUP_AGE_IDENTITY: undefined }));
    expect(report).toMatchObject({ exitCode: 3, data: { verdict: 'COULD NOT VERIFY' } });
    expect(JSON.stringify(report.data)).toMatch('BACKUP_AGE_IDENTITY');
  });
});

describe('an identity that is none', () => {
  test.each([
    ['a word', 'hunter2-hunter2'],
    ['one that was cut', 'AGE-SECRET-KEY-1QQQQQQQQ'],
  ])('%s is refused and not repeated', async (_what, text) => {
    const env = stage.env('shop', { BACKUP_AGE_IDENTITY: stage.secret(text) });
    expectRefused(await stage.ops('backup verify latest --level content', env), 2, 'AGE_IDENTITY', /AGE-SECRET-KEY-1/);
  });

  test('a public key in its place is called that', async () => {
    const env = stage.env('shop', { BACKUP_AGE_IDENTITY: stage.recipient });
    expectRefused(await stage.ops('backup verify latest --level content', env), 2, 'AGE_IDENTITY');
  });
});

describe('recipients', () => {
  const present = () => filesBelow(stage.destination);

  test.each([
    ['a word', 'bob'],
    ['one with a wrong letter', (r: string) => `${r.slice(0, -1)}${r.endsWith('q') ? 'p' : 'q'}`],
  ])('%s is refused before anything is sent', async (_what, made) => {
    const had = present();
    const recipients = typeof made === 'string' ? made : made(stage.recipient);
    const ran = await stage.ops('backup database', stage.env('shop', { BACKUP_AGE_RECIPIENTS: recipients }));
    expectRefused(ran, 2, 'AGE_RECIPIENT', /age1/);
    expect(present()).toEqual(had);
  });

  test('an identity in their place is refused and not repeated', async () => {
    const env = stage.env('shop', { BACKUP_AGE_RECIPIENTS: stage.identity, BACKUP_AGE_IDENTITY: undefined });
    expectRefused(await stage.ops('backup database', env), 2, 'AGE_RECIPIENT');
  });

  test.each([',', ' , ,', '\n'])('a list of nobody (%j) never means "not encrypted"', async list => {
    const had = present();
    const env = stage.env('shop', { BACKUP_AGE_RECIPIENTS: list });
    const ran = await stage.ops('backup database', env);
    if (list.trim() === '') {
      // Blank is what an unset secret looks like in a workflow: absent, and it says so.
      expect(ran.stderr).toMatch('NOT ENCRYPTED');
      return;
    }
    expectRefused(ran, 2, 'CONFIG_INVALID', /names nobody/);
    expect(present()).toEqual(had);
  });
});
