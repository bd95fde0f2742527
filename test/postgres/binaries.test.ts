import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findClientTools, findServerTools } from '../../actions/lib/postgres/index.ts';
import { runChild } from '../../actions/lib/process/index.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'binaries-test-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const clientPrograms = ['pg_dump', 'pg_dumpall', 'pg_restore', 'psql'];

/** A folder of programs that say they are of `version`. */
async function installation(name: string, version: string, programs = clientPrograms): Promise<string> {
  const binDir = join(folder, name);
  await mkdir(binDir, { recursive: true });
  for (const program of programs) {
    const path = join(binDir, program);
    await writeFile(path, `#!/bin/sh\necho "${program} (PostgreSQL) ${version}"\n`);
    await chmod(path, 0o755);
  }
  return binDir;
}

test('the programs of this machine are found and are of the major that was asked for', async () => {
  const { major } = await findServerTools();
  const tools = await findClientTools(major);
  for (const program of [tools.pgDump, tools.pgDumpall, tools.pgRestore, tools.psql]) {
    const { stdout } = await runChild({ command: program, args: ['--version'], errorCode: 'X' });
    expect(stdout).toContain(`(PostgreSQL) ${tools.version}`);
  }
});

test('exactly the major is taken, past newer and older ones', async () => {
  const binDirs = [
    await installation('98', '98.1'),
    await installation('96', '96.9'),
    await installation('97', '97.2 (Debian 97.2-1)'),
  ];
  expect(await findClientTools(97, { binDirs })).toMatchObject({ major: 97, version: '97.2', binDir: binDirs[2] });
});

test('who takes newer ones as well gets those of the major, else the nearest above it', async () => {
  const binDirs = [
    await installation('z98', '98.1'),
    await installation('z96', '96.9'),
    await installation('z97', '97.2'),
  ];
  expect(await findClientTools(97, { binDirs, orNewer: true })).toMatchObject({ major: 97, binDir: binDirs[2] });
  expect(await findClientTools(95, { binDirs, orNewer: true })).toMatchObject({ major: 96, binDir: binDirs[1] });
  await expect(findClientTools(99, { binDirs, orNewer: true })).rejects.toMatchObject({ code: 'PG_CLIENT_MISSING' });
});

test('a missing major is an error that names those which are there, and the package to install', async () => {
  const binDirs = [await installation('98', '98.1')];
  const { major } = await findServerTools();
  await expect(findClientTools(99, { binDirs })).rejects.toMatchObject({
    code: 'PG_CLIENT_MISSING',
    message: expect.stringMatching(new RegExp(`found: .*${major}.*98`)),
    hint: expect.stringMatching(/apt-get install .*postgresql-client-99 .*apt\.postgresql\.org/),
  });
  await expect(findServerTools(99)).rejects.toMatchObject({ code: 'PG_SERVER_MISSING' });
});

test('half an installation is none', async () => {
  const binDirs = [await installation('half', '97.1', ['pg_dump', 'psql'])];
  await expect(findClientTools(97, { binDirs })).rejects.toMatchObject({ code: 'PG_CLIENT_MISSING' });
});

test('a program that does not run is passed over', async () => {
  const broken = await installation('broken', '97.1');
  await writeFile(join(broken, 'pg_dump'), '#!/bin/sh\nexit 127\n');
  const whole = await installation('whole', '97.3');
  expect(await findClientTools(97, { binDirs: [broken, whole] })).toMatchObject({ version: '97.3' });
});

test("Debian's wrapper is passed over: it picks the major by the clusters of the machine", async () => {
  const wrapper = join(await installation('wrapper', '97.5', ['pg_wrapper']), 'pg_wrapper');
  const binDir = join(folder, 'wrapped');
  await mkdir(binDir);
  for (const program of clientPrograms) await symlink(wrapper, join(binDir, program));
  await writeFile(wrapper, '#!/bin/sh\necho "pg_dump (PostgreSQL) 97.5"\n');
  await expect(findClientTools(97, { binDirs: [binDir] })).rejects.toMatchObject({ code: 'PG_CLIENT_MISSING' });
});

test('a program is started once to tell its version, and again when another is in its place', async () => {
  const binDir = await installation('counted', '94.1');
  const starts = join(folder, 'starts');
  const counting = async (version: string) => {
    await rm(join(binDir, 'pg_dump'));
    await writeFile(join(binDir, 'pg_dump'), `#!/bin/sh\necho >>'${starts}'\necho "pg_dump (PostgreSQL) ${version}"\n`);
    await chmod(join(binDir, 'pg_dump'), 0o755);
  };
  const find = async () => (await findClientTools(94, { binDirs: [binDir] })).version;
  await counting('94.1');
  expect([await find(), await find()]).toEqual(['94.1', '94.1']);
  expect(await readFile(starts, 'utf8')).toBe('\n');
  await counting('94.2');
  expect(await find()).toBe('94.2');
  expect(await readFile(starts, 'utf8')).toBe('\n\n');
});
