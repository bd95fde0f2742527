import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'vitest';
import { findBrowser } from './browser.ts';
import { systemPython } from './ftp.ts';
import { findProgram } from './processes.ts';

const cephPrograms = ['ceph', 'ceph-authtool', 'ceph-mon', 'ceph-osd', 'monmaptool', 'radosgw', 'radosgw-admin'];

const services = {
  s3: {
    found: () => cephPrograms.every(findProgram),
    install: 'apt-get install --no-install-recommends ceph-mon ceph-osd radosgw ceph-common',
  },
  ftp: {
    found: () => spawnSync(systemPython, ['-c', 'import pyftpdlib, OpenSSL, cryptography']).status === 0,
    install: 'apt-get install --no-install-recommends python3-pyftpdlib python3-openssl',
  },
  varnish: {
    found: () => findProgram('varnishd') !== undefined,
    install: 'apt-get install --no-install-recommends varnish varnish-modules',
  },
  browser: {
    found: () => findBrowser() !== undefined,
    install: 'apt-get install --no-install-recommends chromium; on Ubuntu snap install chromium, or Google Chrome',
  },
  hypopg: {
    found: () => {
      const folder = '/usr/share/postgresql';
      const majors = existsSync(folder) ? readdirSync(folder) : [];
      return majors.some(major => existsSync(join(folder, major, 'extension', 'hypopg.control')));
    },
    install: 'apt-get install --no-install-recommends postgresql-15-hypopg, or that of the major that is installed',
  },
};

export type ServiceName = keyof typeof services;

/** Why a service cannot be started here; `undefined` when it can. */
export function missingService(name: ServiceName): string | undefined {
  const { found, install } = services[name];
  return found() ? undefined : `${name} is not installed: ${install}`;
}

/**
 * `describe` for tests that need a service. Where it is missing they are skipped, with the reason in their name; in CI
 * (`CI=true`) that is a failure, so that nothing stays untested unnoticed.
 */
export function requireService(name: ServiceName): (title: string, tests: () => void) => void {
  const reason = missingService(name);
  if (reason === undefined) return (title, tests) => void describe(title, tests);
  return (title, tests) => {
    describe.skip(`${title} (skipped: ${reason})`, tests);
    if (process.env.CI === 'true') {
      test(`${title} needs ${name}`, () => {
        throw new Error(reason);
      });
    }
  };
}
