import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { checkFloors } from '../scripts/floors.ts';

test('this repository keeps to its floors', async () => {
  expect(await checkFloors(join(import.meta.dirname, '..'))).toEqual([]);
});

const sound: Record<string, string> = {
  'package.json': JSON.stringify({ version: '1.2.3', dependencies: { pg: '8.23.1' } }),
  'actions/lib/context/index.ts': "export const toolVersion = '1.2.3';\n",
  'actions/lib/errors/index.ts': 'export class OpsError {}\n',
  'actions/lib/backup/index.ts': "export { a } from './sets/a.ts';\n",
  'actions/lib/backup/sets/a.ts':
    "import {\n  OpsError,\n} from '../../errors/index.ts';\nexport const a = OpsError;\n",
  'actions/lib/run/action.ts': "import * as core from '@actions/core';\nexport { core };\n",
  'actions/backup/main.ts': "import { a } from '../lib/backup/index.ts';\nimport '../lib/run/action.ts';\n",
  'scripts/ops.ts': "import { a } from '../actions/lib/backup/index.ts';\n",
};

test('a sound tree has no breach', async () => {
  expect(await breachesWith({})).toEqual([]);
});

test.each([
  [
    'an import that goes up',
    'actions/lib/errors/index.ts',
    "import type { a } from '../backup/index.ts';",
    'errors imports backup, which is not below it',
  ],
  [
    'an import from a floor beside',
    'actions/lib/storage/index.ts',
    "import { b } from '../age/index.ts';",
    'storage imports age',
  ],
  [
    'a deep import',
    'actions/lib/console/index.ts',
    "import { a } from '../backup/sets/a.ts';",
    'backup/index.ts does not export is private',
  ],
  [
    'a deep import from a script',
    'scripts/demo.ts',
    "import { a } from '../actions/lib/backup/sets/a.ts';",
    'is private',
  ],
  [
    'an import on a later line of several',
    'actions/lib/log/index.ts',
    "export const b = 1;\nimport {\n  a,\n  type B,\n} from '../backup/index.ts';",
    'log/index.ts:2: log imports backup',
  ],
  [
    'a late import',
    'actions/lib/log/index.ts',
    "export const b = () => import('../backup/index.ts');",
    'log imports backup',
  ],
  [
    'a domain that knows Actions',
    'actions/lib/backup/b.ts',
    "import * as core from '@actions/core';",
    'only lib/run and lib/github know Actions',
  ],
  [
    'glue that knows Actions',
    'actions/drill/main.ts',
    "import * as core from '@actions/core';",
    'only lib/run and lib/github know Actions',
  ],
  [
    'lib that knows an action',
    'actions/lib/run/b.ts',
    "import '../../backup/main.ts';",
    'lib knows nothing outside lib',
  ],
  [
    'a folder without a floor',
    'actions/lib/news/index.ts',
    "import { OpsError } from '../errors/index.ts';",
    'news has no floor',
  ],
  [
    'a cycle',
    'actions/lib/backup/sets/a.ts',
    "import { c } from '../c.ts';\nexport const a = c;",
    'a cycle of imports',
  ],
  [
    'a version that may move',
    'package.json',
    JSON.stringify({ version: '1.2.3', devDependencies: { pg: '^8.0.0' } }),
    "pg is '^8.0.0', which is not an exact version",
  ],
  [
    'a version that may move under another name',
    'package.json',
    JSON.stringify({ version: '1.2.3', devDependencies: { 'pg-8': 'npm:pg@^8.0.0', 'pg-7': 'npm:pg@7.18.2' } }),
    "pg-8 is 'npm:pg@^8.0.0', which is not an exact version",
  ],
  [
    'two versions of the tool',
    'package.json',
    JSON.stringify({ version: '1.3.0' }),
    'toolVersion is 1.2.3, and package.json says 1.3.0',
  ],
])('%s is found', async (_title, path, text, expected) => {
  expect(
    await breachesWith({ 'actions/lib/backup/c.ts': "export { a as c } from './index.ts';\n", [path]: text }),
  ).toEqual([expect.stringContaining(expected)]);
});

async function breachesWith(files: Record<string, string>): Promise<string[]> {
  const root = await mkdtemp(join(tmpdir(), 'ops-floors-'));
  try {
    for (const [path, text] of Object.entries({ ...sound, ...files })) {
      await mkdir(dirname(join(root, path)), { recursive: true });
      await writeFile(join(root, path), text);
    }
    return await checkFloors(root);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}
