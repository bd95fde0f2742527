#!/usr/bin/env node
// Runs a script of this repository on any machine with Node >= 20: installs the npm packages when the lockfile has
// changed, the system packages a command needs when they are missing, and then starts the script on Node 24.
// Plain JavaScript with no dependency: it is the one file that runs before anything is installed.

import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const requiredNodeMajor = 24;

// What a command finds on the machine, the Debian/Ubuntu package that brings it, and what it is for.
const needs = {
  postgres: { packages: ['postgresql'], found: () => postgresServerFound(), for: 'the throw-away PostgreSQL servers' },
  zstd: { packages: ['zstd'], found: () => onPath('zstd'), for: 'restoring by hand' },
  age: { packages: ['age'], found: () => onPath('age'), for: 'restoring encrypted sets by hand' },
  tar: { packages: ['tar'], found: () => onPath('tar'), for: 'files backups' },
  git: { packages: ['git'], found: () => onPath('git'), for: 'the tests of what is published' },
  ftp: {
    packages: ['python3-pyftpdlib', 'python3-openssl'],
    found: () => spawnSync('/usr/bin/python3', ['-c', 'import pyftpdlib, OpenSSL']).status === 0,
    for: 'the FTP server of the tests',
  },
  s3: {
    packages: ['ceph-mon', 'ceph-osd', 'radosgw', 'ceph-common'],
    found: () => ['ceph-mon', 'ceph-osd', 'radosgw', 'radosgw-admin'].every(onPath),
    for: 'the S3 server of the tests',
  },
  varnish: {
    packages: ['varnish', 'varnish-modules'],
    found: () => onPath('varnishd'),
    for: 'the cache server of the tests',
  },
  browser: {
    packages: ['chromium'],
    found: () => ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'].some(onPath),
    for: 'the browser of the tests',
  },
  // An extension is built for one major version: the newest here is the one that throw-away servers are started with.
  hypopg: {
    after: 'postgres',
    get packages() {
      return [`postgresql-${postgresMajor()}-hypopg`];
    },
    found: () => existsSync(`/usr/share/postgresql/${postgresMajor()}/extension/hypopg.control`),
    for: 'the index advisor with HypoPG',
  },
  pgbouncer: { packages: ['pgbouncer'], found: () => onPath('pgbouncer'), for: 'the pooler of the tests' },
};

// For those who work on the project. What its users wait for, Node starts without a loader: it takes the types out itself
// and keeps what it compiled, which a loader before it prevents; `ops --help` takes half the time.
const tsx = ['--import', 'tsx'];

// npm packages of their own: workflows, which build the actions and run them, would wait for 250 MB that they never use.
const testServers = join(root, 'test', 'servers');

const commands = {
  demo: { script: 'scripts/demo.ts', needs: ['postgres', 'zstd', 'age', 'tar'] },
  test: {
    script: 'scripts/test.ts',
    needs: ['postgres', 'hypopg', 'zstd', 'age', 'tar', 'git', 'ftp', 's3', 'pgbouncer', 'varnish', 'browser'],
    morePackages: testServers,
  },
  ops: { script: 'scripts/ops.ts', needs: [] },
  bench: { script: 'scripts/bench/index.ts', needs: ['postgres', 'hypopg', 'zstd', 'age', 'tar'] },
  build: { script: 'scripts/build.ts', needs: [], flags: tsx },
  check: { script: 'scripts/check.ts', needs: [], flags: tsx, morePackages: testServers },
  release: { script: 'scripts/release.ts', needs: ['git'], flags: tsx },
  services: { script: 'scripts/services.ts', needs: ['postgres', 'ftp', 's3'] },
};

const [name = '', ...args] = process.argv.slice(2);
const command = commands[name];
if (!command) stop(`unknown command '${name}': one of ${Object.keys(commands).join(', ')}`, 2);

installNpmPackages(root);
if (command.morePackages) installNpmPackages(command.morePackages);
installSystemPackages(command.needs.filter(need => !needs[need].after));
installSystemPackages(command.needs.filter(need => needs[need].after));
// A small heap makes the collector count every few MiB of stream buffers as a reason to run: a backup had 40 full
// collections a gigabyte, and 8 with this. It reserves nothing.
const nodeFlags = ['--initial-old-space-size=128', '--disable-warning=ExperimentalWarning'];
// Compiled once, not at each start. It is thrown away with the packages.
process.env.NODE_COMPILE_CACHE ??= join(root, 'node_modules', '.cache', 'compiled');
run(findNode(), [...nodeFlags, ...(command.flags ?? []), join(root, command.script), ...args]);

function installNpmPackages(folder) {
  const stamp = join(folder, 'node_modules', '.lockfile-installed');
  const wanted = createHash('sha256')
    .update(readFileSync(join(folder, 'package-lock.json')))
    .digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  say(`installing npm packages${folder === root ? '' : ` of ${relative(root, folder)}`} (once)`);
  const npm = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: folder,
    stdio: ['ignore', 2, 2],
  });
  if (npm.status !== 0) stop('npm ci failed: see above. It needs the npm registry.', 1);
  writeFileSync(stamp, wanted);
}

function installSystemPackages(names) {
  const missing = names.map(need => needs[need]).filter(need => !need.found());
  if (missing.length === 0) return;
  const packages = missing.flatMap(need => need.packages);
  const byHand = `sudo apt-get install --no-install-recommends ${packages.join(' ')}`;
  const prefix = privilege();
  if (prefix === undefined || !onPath('apt-get')) {
    for (const need of missing) say(`missing: ${need.packages.join(' ')} (${need.for})`);
    say(`not root, no password-less sudo, or not Debian/Ubuntu: install by hand with: ${byHand}`);
    return;
  }
  say(`installing ${packages.join(' ')} (once)`);
  const apt = commandLine => {
    const [program, ...rest] = [...prefix, 'apt-get', '-qq', ...commandLine];
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    return spawnSync(program, rest, { stdio: ['ignore', 'pipe', 'pipe'], env, encoding: 'utf8' });
  };
  const install = wanted => apt(['install', '-y', '--no-install-recommends', ...wanted]);
  apt(['update']);
  if (install(packages).status === 0) return;
  // One package that cannot be had must not take the others with it.
  for (const need of missing) {
    const outcome = install(need.packages);
    if (outcome.status === 0) continue;
    const reason = (outcome.stderr || '').trim().split('\n').at(-1);
    say(`could not install ${need.packages.join(' ')} (${need.for}): ${reason}`);
    say(`  by hand: sudo apt-get install --no-install-recommends ${need.packages.join(' ')}`);
  }
}

function findNode() {
  if (Number(process.versions.node.split('.')[0]) >= requiredNodeMajor) return process.execPath;
  const bundled = join(root, 'node_modules', `node-${process.platform}-${process.arch}`, 'bin', 'node');
  if (existsSync(bundled)) return bundled;
  return stop(
    `this needs Node ${requiredNodeMajor}; this one is ${process.versions.node}, and none comes with the packages for ` +
      `${process.platform}-${process.arch}. Install Node ${requiredNodeMajor} and run again.`,
    2,
  );
}

function run(program, commandLine) {
  const child = spawn(program, commandLine, { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('error', error => stop(`could not start ${program}: ${error.message}`, 1));
  child.on('exit', (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 1)));
}

function postgresServerFound() {
  return postgresMajor() !== undefined || onPath('initdb');
}

/** The newest major version whose server Debian's packages have put here. */
function postgresMajor() {
  const base = '/usr/lib/postgresql';
  const majors = existsSync(base) ? readdirSync(base) : [];
  const served = majors.filter(major => existsSync(join(base, major, 'bin', 'initdb'))).map(Number);
  return served.length > 0 ? Math.max(...served) : undefined;
}

function onPath(program) {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  return folders.some(folder => folder !== '' && existsSync(join(folder, program)));
}

/** The words to put before a command that needs root; undefined when there is no way. */
function privilege() {
  if (process.getuid?.() === 0) return [];
  return onPath('sudo') && spawnSync('sudo', ['-n', 'true']).status === 0 ? ['sudo', '-n'] : undefined;
}

function say(text) {
  process.stderr.write(`[setup] ${text}\n`);
}

function stop(text, code) {
  say(text);
  process.exit(code);
}
