import { cpSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expectRefused, type Report, Stage } from './stage.ts';

let stage: Stage;
let first: string;
let second: string;
/** A copy of everything, to damage and to throw away. */
let pristine: string;

beforeAll(async () => {
  stage = await Stage.open();
  await stage.database(
    'shop',
    `create table audit as select i as id, repeat(md5(i::text), 8) as note from generate_series(1, 12000) i;
     create table orders (id serial primary key, total numeric);
     insert into orders (total) select i * 1.5 from generate_series(1, 300) i;`,
  );
  first = await stage.backUp(stage.env('shop'));
  await stage.sql(stage.target('shop'), 'insert into orders (total) values (7)');
  second = await stage.backUp(stage.env('shop'));
  pristine = join(stage.root, 'pristine');
  cpSync(stage.destination, pristine, { recursive: true });
});
afterAll(() => stage[Symbol.asyncDispose]());

/** Damages a fresh copy of the destination. */
function damaged(damage: (folder: string) => void) {
  rmSync(stage.destination, { recursive: true });
  cpSync(pristine, stage.destination, { recursive: true });
  damage(stage.destination);
  return stage.env('shop');
}

const partOf = (role: string) => stage.manifest(second, pristine).parts.find(part => part.role === role)!;

function flip(path: string, at = 0.5): void {
  const bytes = readFileSync(path);
  bytes[Math.floor(bytes.length * at)]! ^= 1;
  writeFileSync(path, bytes);
}

const findings = (report: Report) => (report.data as { findings: string[] }).findings;

describe.each(['rows', 'schema', 'evidence', 'roles'])('a %s part that', role => {
  const ways: Record<string, [(folder: string, key: string) => void, RegExp]> = {
    'has one flipped bit': [(folder, key) => flip(join(folder, key)), /other stored bytes/],
    'has a flipped bit in its header': [(folder, key) => flip(join(folder, key), 0.1), /other stored bytes/],
    'is missing': [(folder, key) => rmSync(join(folder, key)), /is missing/],
    'lost its last byte': [
      (folder, key) => truncateSync(join(folder, key), partOf(role).storedBytes - 1),
      /stored bytes and should have/,
    ],
    'is empty': [(folder, key) => truncateSync(join(folder, key), 0), /has 0 stored bytes/],
    'is another part': [
      (folder, key) => cpSync(join(folder, partOf(role === 'rows' ? 'schema' : 'rows').key), join(folder, key)),
      /stored bytes/,
    ],
  };
  test.each(Object.entries(ways))(
    '%s is found by reading what is stored, and by opening it',
    async (_way, [damage, words]) => {
      const { key } = partOf(role);
      const env = damaged(folder => damage(folder, key));
      for (const level of ['stored', 'content']) {
        const report = await stage.report(`backup verify ${second} --level ${level}`, env);
        expect(report).toMatchObject({ exitCode: 3, status: 'critical', data: { verdict: 'FAILED' } });
        expect(findings(report)).toHaveLength(1);
        expect(findings(report)[0]).toMatch(key);
        if (level === 'stored') expect(findings(report)[0]).toMatch(words);
      }
    },
  );
});

describe('a damaged part stops', () => {
  test('a restore, which names it and commits nothing of it', async () => {
    const { key } = partOf('rows');
    const env = damaged(folder => flip(join(folder, key)));
    const target = await stage.database('half');
    const ran = await stage.run(['restore', 'database', second, '--to', target.url], env);
    expectRefused(ran, 1, 'SET_DAMAGED', new RegExp(key), /another set/);
    // Other parts may be in; of this one nothing is.
    const [loaded] = await stage.sql(
      target,
      'select (select count(*) from audit)::int + (select count(*) from orders)::int as rows',
    );
    const inPart = partOf('rows').slices!.reduce((sum, slice) => sum + slice.rows, 0);
    expect(loaded!.rows).toBeLessThanOrEqual(12_301 - inPart);
  });

  test.each(['rows', 'schema', 'evidence'])(
    'a drill (%s): FAILED, the part is named, and the verdict is kept',
    async role => {
      const { key } = partOf(role);
      const env = damaged(folder => flip(join(folder, key)));
      const report = await stage.report(`drill run --set ${second}`, env);
      expect(report).toMatchObject({ exitCode: 3, status: 'critical', data: { verdict: 'FAILED' } });
      expect(findings(report)[0]).toMatch(key);
      const list = await stage.report('backup list', env);
      expect(list.data).toMatchObject({
        sets: [
          { id: second, verdict: 'FAILED' },
          { id: first, verdict: null },
        ],
      });
    },
  );

  test('the next backup from building on it: a part that is missing is sent again', async () => {
    const reused = stage.manifest(second, pristine).parts.find(part => part.isReused)!;
    const env = damaged(folder => rmSync(join(folder, reused.key)));
    const id = await stage.backUp(env);
    expect(stage.manifest(id).baseId).toBe(null);
    expect((await stage.ops(`backup verify ${id} --level content`, env)).exitCode).toBe(0);
  });
});

describe('two parts that changed places', () => {
  test('are both named', async () => {
    const [a, b] = [partOf('rows').key, partOf('evidence').key];
    const env = damaged(folder => {
      renameSync(join(folder, a), join(folder, 'aside'));
      renameSync(join(folder, b), join(folder, a));
      renameSync(join(folder, 'aside'), join(folder, b));
    });
    const report = await stage.report(`backup verify ${second} --level stored`, env);
    expect(findings(report).join()).toMatch(a);
    expect(findings(report).join()).toMatch(b);
  });
});

describe('a manifest that', () => {
  const manifest = (folder: string, id: string) => join(folder, 'sets', 'database', id, 'manifest.json');
  const ways: Record<string, [(folder: string) => void, RegExp]> = {
    'has one flipped bit': [folder => flip(manifest(folder, second), 0.3), /The manifest of database set/],
    'is cut short': [folder => truncateSync(manifest(folder, second), 900), /is not valid JSON/],
    'is empty': [folder => truncateSync(manifest(folder, second), 0), /is not valid JSON/],
    'is of another set': [
      folder => cpSync(manifest(folder, first), manifest(folder, second)),
      /belongs to database set .* it was swapped/,
    ],
    'says other counts than were written': [
      folder => {
        const path = manifest(folder, second);
        writeFileSync(path, readFileSync(path, 'utf8').replace(/"rows": 301/, '"rows": 300'));
      },
      /does not match its digest/,
    ],
  };
  test.each(Object.entries(ways))(
    '%s is refused by name, passed over as the latest, and stops pruning',
    async (_way, [damage, words]) => {
      const env = damaged(damage);
      const asked = await stage.ops(`backup verify ${second} --level stored`, env);
      expectRefused(asked, 1, 'SET_DAMAGED', new RegExp(second), words, /another set|another destination/);

      const latest = await stage.ops('backup verify latest --level stored', env);
      expect(latest).toMatchObject({ exitCode: 0 });
      expect(latest.stderr).toMatch(/warning: The manifest of database set .* looking at the one before it/);
      expect(latest.stdout).toMatch(first);

      const list = await stage.ops('backup list', env);
      expect(list.stdout).toMatch(new RegExp(`${second} .*DAMAGED`));

      expectRefused(await stage.ops('backup prune', env), 1, 'PRUNE_UNSAFE', new RegExp(second));
      expect((await stage.ops(`backup verify ${first} --level content`, env)).exitCode).toBe(0);
    },
  );

  test('is missing: there is no such set, and what it shared stays', async () => {
    const env = damaged(folder => rmSync(manifest(folder, second)));
    const asked = await stage.ops(`backup verify ${second} --level stored`, env);
    expectRefused(asked, 1, 'SET_UNKNOWN', new RegExp(second), /ops backup list/);
    expect((await stage.ops('backup verify latest --level stored', env)).stdout).toMatch(first);
    expect((await stage.ops('backup prune', env)).exitCode).toBe(0);
    expect((await stage.ops(`backup verify ${first} --level content`, env)).exitCode).toBe(0);
    stage.expectNothingOrphaned();
  });

  test('was written anew with a right digest by somebody: a drill sees that the rows are not those', async () => {
    const { serializeManifest } = await import('../../../actions/lib/backup/sets/manifest.ts');
    const env = damaged(folder => {
      const forged = stage.manifest(second, pristine);
      if (forged.kind !== 'database') return;
      const orders = forged.database.tables.findIndex(table => table.name === 'orders');
      forged.database.tables[orders]!.rows -= 1;
      for (const part of forged.parts)
        for (const slice of part.slices ?? []) if (slice.table === orders) slice.rows -= 1;
      writeFileSync(manifest(folder, second), serializeManifest(forged).text);
    });
    const report = await stage.report(`drill run --set ${second}`, env);
    expect(report).toMatchObject({ exitCode: 3, data: { verdict: 'FAILED' } });
    expect(findings(report)[0]).toMatch(/orders/);
  });
});
