import { spawn } from 'node:child_process';
import { copyFile, cp, mkdir, readFile, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { generateIdentity } from '../../../actions/lib/age/index.ts';
import type { DatabaseManifest } from '../../../actions/lib/backup/sets/manifest.ts';
import {
  findClientTools,
  libpqEnv,
  type PostgresTarget,
  startThrowawayServer,
  type ThrowawayServer,
  withDatabase,
} from '../../../actions/lib/postgres/index.ts';
import { createPlatform } from '../../../scripts/platform/platform.ts';
import { findProgram } from '../../services/processes.ts';
import { openWorld, type World } from '../harness.ts';
import { describeDatabase } from './reference.ts';

let world: World;
let second: ThrowawayServer;
let tools: string;
let identityFile: string;
let platform: PostgresTarget;
beforeAll(async () => {
  [world, second] = await Promise.all([
    openWorld(),
    startThrowawayServer({ purpose: 'what RESTORE.md restores into' }),
  ]);
  identityFile = join(world.folder, 'identity.txt');
  await writeFile(identityFile, `${world.identity}\n`, { mode: 0o600 });
  tools = join(world.folder, 'tools');
  await mkdir(tools);
  const { binDir } = await findClientTools(world.server.major);
  for (const name of ['psql', 'pg_restore', 'createdb']) await symlink(join(binDir, name), join(tools, name));
  for (const name of ['zstd', 'age', 'sha256sum', 'bash', 'sed', 'grep', 'xargs', 'mktemp', 'rm']) {
    await symlink(findProgram(name)!, join(tools, name));
  }
  platform = await world.database('crafts');
  await createPlatform(platform, { rows: 20_000 });
});
afterAll(() => Promise.all([world?.close(), second?.stop()]));

interface Followed {
  code: number | null;
  said: string;
  target: PostgresTarget;
}

/** Does what RESTORE.md says, with the tools that it names and no other. */
async function follow(
  manifest: DatabaseManifest,
  change: { identity?: string; backups?: string; skip?: number[]; server?: PostgresTarget } = {},
): Promise<Followed> {
  const backups = change.backups ?? world.backups;
  const document = await readFile(join(backups, 'sets/database', manifest.id, 'RESTORE.md'), 'utf8');
  expect(document).toMatch(/^bash\nset -euo pipefail$/m);
  const [, database] = /^export PGHOST=.* PGDATABASE=(\S+)$/m.exec(document)!;
  const steps = document
    .split(/^## (?=\d)/m)
    .slice(1)
    .filter(step => !change.skip?.includes(Number.parseInt(step, 10)));
  const commands = steps.flatMap(step => [...step.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(match => match[1]!));
  const target = withDatabase(change.server ?? second.target, database!);
  const { PGPASSWORD, PGHOST, PGPORT, PGUSER } = libpqEnv(target) as Record<string, string>;
  const shell = spawn(join(tools, 'bash'), ['-euo', 'pipefail', '-c', commands.join('\n')], {
    cwd: backups,
    env: {
      PATH: tools,
      PGHOST,
      PGPORT,
      PGUSER,
      PGPASSWORD,
      PGDATABASE: database,
      TMPDIR: world.folder,
      ...(document.includes('AGE_IDENTITY') && { AGE_IDENTITY: change.identity ?? identityFile }),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  shell.stdout.on('data', chunk => {
    said += chunk;
  });
  shell.stderr.on('data', chunk => {
    said += chunk;
  });
  const code = await new Promise<number | null>(resolve => shell.on('close', resolve));
  return { code, said, target };
}

async function followWell(manifest: DatabaseManifest): Promise<PostgresTarget> {
  const { code, said, target } = await follow(manifest);
  expect(code, said).toBe(0);
  expect((await world.compare(manifest, target)).findings).toEqual([]);
  return target;
}

const drop = (target: PostgresTarget) => world.query(second.target, `drop database "${target.database}"`);

describe('the commands of RESTORE.md, with stock tools alone,', () => {
  test('restore an encrypted set of the platform', async () => {
    const { manifest } = await world.backup(platform);
    const target = await followWell(manifest);
    expect(await describeDatabase(world, target)).toEqual(await describeDatabase(world, platform));
    await drop(target);
  });

  test('restore a set that is not encrypted, and one whose rows lie in the folder of the set before', async () => {
    const plain = { env: { BACKUP_AGE_RECIPIENTS: undefined } };
    const { manifest: first } = await world.backup(platform, plain);
    expect(first.parts.every(part => !part.isEncrypted)).toBe(true);
    await drop(await followWell(first));
    const { manifest } = await world.backup(platform, plain);
    expect(manifest.parts.filter(part => part.role === 'rows').every(part => part.isReused)).toBe(true);
    await drop(await followWell(manifest));
  });

  test.each([
    ['an empty one', 'nothing', '', ''],
    [
      'one with a name that shells and libpq read otherwise',
      `$(x) 'a=b' \`c\` | "d"\\ é`,
      'create table "odd `n` | $(x)" as select 1 as "a b"',
      '',
    ],
    [
      'one of SQL_ASCII',
      'bytes',
      `create table t as select convert_from('\\xff5c0a', 'SQL_ASCII') as v`,
      `template template0 encoding 'SQL_ASCII' locale 'C'`,
    ],
    [
      'one of LATIN1',
      'latin',
      `create table "Größe" as select 'ä' as "Straße"`,
      `template template0 encoding 'LATIN1' locale 'C'`,
    ],
    [
      'one with settings and privileges of its own',
      'own "x"',
      `create role web_own; create schema app; alter database "own ""x""" set search_path = app, "$user"; alter database "own ""x""" set app.key = 'é $properties$';
       alter database "own ""x""" set default_transaction_read_only = on; alter role web_own in database "own ""x""" set work_mem = '7MB';
       revoke all on database "own ""x""" from public; grant connect on database "own ""x""" to web_own; comment on database "own ""x""" is 'its own'`,
      '',
    ],
    [
      'one with zero-column rows and large objects',
      'odd',
      `create table bare (); insert into bare select from generate_series(1, 9); select lo_from_bytea(7, '\\x00ff')`,
      '',
    ],
  ])('restore %s', async (_what, name, sql, create) => {
    const { manifest } = await world.backup(await world.database(name, sql, create));
    await drop(await followWell(manifest));
  });

  test('restore one with an ICU locale', async context => {
    const known = await world.query(world.server.target, `select 1 from pg_collation where collprovider = 'i' limit 1`);
    if (known.length === 0) context.skip('this server was built without ICU');
    const source = await world.database(
      'icu',
      `create table t (v text primary key); insert into t values ('ä'), ('z')`,
      `template template0 locale_provider icu icu_locale 'sv-SE' encoding 'UTF8'`,
    );
    const target = await followWell((await world.backup(source)).manifest);
    expect(
      await world.query(
        target,
        `select datlocprovider, daticulocale from pg_database where datname = current_database()`,
      ),
    ).toEqual([{ datlocprovider: 'i', daticulocale: 'sv-SE' }]);
    await drop(target);
  });

  test('restore one without a table that others refer to', async () => {
    const source = await world.database(
      'partly',
      `create table a (id int primary key); create table b (id int primary key, a int references a, bb int references b); insert into a values (1); insert into b values (1, 1, 1);`,
    );
    const { manifest } = await world.backup(source, { config: { backup: { database: { excludeTables: ['a'] } } } });
    const target = await followWell(manifest);
    expect(await world.query(target, `select conname from pg_constraint where contype = 'f'`)).toEqual([
      { conname: 'b_bb_fkey' },
    ]);
    await drop(target);
  });
});

describe('what goes wrong is noticed', () => {
  let manifest: DatabaseManifest;
  let rows: string;
  beforeAll(async () => {
    ({ manifest } = await world.backup(platform));
    rows = manifest.parts.filter(part => part.role === 'rows').at(-1)!.key;
  });
  /** A copy of the destination, in which one file is changed. */
  const changed = async (name: string, change: (backups: string) => Promise<unknown>) => {
    const backups = join(world.folder, name);
    await cp(world.backups, backups, { recursive: true });
    await change(backups);
    return backups;
  };

  test('the identity of somebody else', async () => {
    const other = join(world.folder, 'other.txt');
    await writeFile(other, `${await generateIdentity()}\n`);
    const { code, said, target } = await follow(manifest, { identity: other, skip: [4] });
    expect(code).not.toBe(0);
    expect(said).toMatch(/no identity matched/);
    await drop(target);
  });

  test('a changed byte, before anything is made', async () => {
    const backups = await changed('flipped', async folder => {
      const bytes = await readFile(join(folder, rows));
      bytes[bytes.length >> 1]! ^= 1;
      await writeFile(join(folder, rows), bytes);
    });
    const { code, said, target } = await follow(manifest, { backups });
    expect(code).not.toBe(0);
    expect(said).toContain(rows);
    expect(await world.query(second.target, 'select 1 from pg_database where datname = $1', [target.database])).toEqual(
      [],
    );
  });

  test.each([
    ['cut off', (path: string) => truncate(path, 1000)],
    ['empty', (path: string) => truncate(path, 0)],
    ['another one', (path: string) => copyFile(identityFile, path)],
  ])('a part of rows that is %s, by who skips the check', async (what, damage) => {
    const backups = await changed(`damaged ${what}`, folder => damage(join(folder, rows)));
    const { code, target } = await follow(manifest, { backups, skip: [2] });
    expect(code).not.toBe(0);
    await drop(target);
  });
});
