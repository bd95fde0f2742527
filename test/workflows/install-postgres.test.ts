import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { findServerTools } from '../../actions/lib/postgres/index.ts';

const script = join(import.meta.dirname, '../../scripts/install-postgres.sh');

/** With a sudo that only fails: whatever gets as far as installing is seen, and changes nothing. */
function install(what: string, major: string) {
  return spawnSync(
    'bash',
    ['-c', 'sudo() { echo "sudo $*"; return 77; }; export -f sudo; exec "$0" "$1"', script, what],
    {
      env: { PATH: process.env.PATH, PG_MAJOR: major },
      encoding: 'utf8',
    },
  );
}

test.each(['', 'latest', '17; id', '9.6', '-o'])("PG_MAJOR='%s' is refused before anything is installed", major => {
  const { status, stdout, stderr } = install('client', major);
  expect(status).toBe(2);
  expect(stderr).toContain('must be a major version such as 17');
  expect(stdout).toBe('');
});

test('only a client or a server can be asked for', () => {
  expect(install('everything', '17')).toMatchObject({ status: 2, stdout: '' });
});

test('a version that is here is left alone, one that is not would be installed', async context => {
  const { major, binDir } = await findServerTools(undefined);
  if (!binDir.startsWith('/usr/lib/postgresql/')) context.skip('PostgreSQL is not from a Debian package here');
  expect(install('server', String(major))).toMatchObject({
    status: 0,
    stdout: `PostgreSQL ${major} (server) is here already\n`,
  });
  expect(install('server', '99')).toMatchObject({ status: 77, stdout: expect.stringContaining('sudo install -d') });
});
