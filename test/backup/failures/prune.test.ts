import { cpSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { serializeManifest } from '../../../actions/lib/backup/sets/manifest.ts';
import { type Env, filesBelow, Stage } from './stage.ts';

let stage: Stage;
let pristine: string;
let ids: string[];
let config: string;
let env: Env;

beforeAll(async () => {
  stage = await Stage.open();
  await stage.database(
    'shop',
    `create table audit as select i as id, repeat(md5(i::text), 8) as note from generate_series(1, 9000) i;
     create table orders (id serial, total int); insert into orders (total) select i from generate_series(1, 50) i;`,
  );
  config = join(stage.root, 'keep.yml');
  writeFileSync(config, 'backup: { retention: { daily: 2, weekly: 0, monthly: 0, yearly: 0, proved: 1 } }\n');
  env = stage.env('shop');
  // Five nights: a set each, the later ones share the rows of the first; the second is proved.
  ids = [];
  for (const nightsAgo of [5, 4, 3, 2, 1]) {
    await stage.sql(stage.target('shop'), 'update orders set total = total + 1');
    const made = await stage.backUp(env);
    const id = `${dayOf(nightsAgo).replaceAll('-', '')}T020000Z-0000`;
    rename(made, id);
    ids.push(id);
  }
  expect((await stage.ops(`drill run --set ${ids[1]}`, env)).exitCode).toBe(0);
  pristine = join(stage.root, 'pristine');
  cpSync(stage.destination, pristine, { recursive: true });
});
afterAll(() => stage[Symbol.asyncDispose]());

/** `2026-01-05`, so many nights before now. */
function dayOf(nightsAgo: number): string {
  return new Date(Date.now() - nightsAgo * 86_400_000).toISOString().slice(0, 10);
}

/** Gives a set the night it stands for: only its name says when it was made. */
function rename(made: string, id: string): void {
  const folder = (name: string, of: string) => join(stage.destination, name, 'database', of);
  const manifest = JSON.parse(JSON.stringify(stage.manifest(made)).replaceAll(made, id));
  renameSync(folder('sets', made), folder('sets', id));
  renameSync(folder('parts', made), folder('parts', id));
  writeFileSync(join(folder('sets', id), 'manifest.json'), serializeManifest(manifest).text);
}

function reset(): void {
  rmSync(stage.destination, { recursive: true });
  cpSync(pristine, stage.destination, { recursive: true });
}

const setIds = () => readdirSync(join(stage.destination, 'sets', 'database'));

describe('pruning', () => {
  test('shows what it would do, and does nothing, in a dry run', async () => {
    const had = filesBelow(stage.destination);
    const ran = await stage.ops(`backup prune --dry-run --config ${config}`, env);
    expect(ran).toMatchObject({ exitCode: 0 });
    expect(ran.stdout).toMatch(`keeps   ${ids[4]}  shop  newest, daily ${dayOf(1)}`);
    expect(ran.stdout).toMatch(`keeps   ${ids[1]}  shop  proved`);
    expect(ran.stdout).toMatch(`removes ${ids[0]}`);
    expect(ran.stdout).toMatch(/Would remove 2 sets and \d+ parts/);
    expect(filesBelow(stage.destination)).toEqual(had);
    expect(filesBelow(join(stage.work, 'reports')).filter(file => file.includes('prune'))).toEqual([]);
  });

  test('removes what no rule keeps, and no part that a kept set shares', async () => {
    const shared = stage.manifest(ids[4]!).parts.filter(part => part.key.includes(ids[0]!));
    expect(shared.length).toBeGreaterThan(0);
    const ran = await stage.ops(`backup prune --config ${config}`, env);
    expect(ran).toMatchObject({ exitCode: 0 });
    expect(setIds()).toEqual([ids[1], ids[3], ids[4]]);
    for (const part of shared) expect(filesBelow(stage.destination)).toContain(part.key);
    await stage.expectOnlyWholeSets(env, 10);
    stage.expectNothingOrphaned();
    const again = await stage.ops(`backup prune --config ${config}`, env);
    expect(again.stdout).toMatch('Removed 0 sets and 0 parts');
    expect(again.stdout).not.toMatch('NOT PRUNED');
    // Said, and not only not denied: what was open closes with it.
    const latest = readFileSync(join(stage.work, 'reports/latest/backup.prune.json'), 'utf8');
    expect(JSON.parse(latest).checks).toMatchObject([{ id: 'backup.prune', status: 'ok', value: 0, threshold: 0 }]);
  });

  test('leaves the set that a running backup builds on, and what that backup has sent', async () => {
    reset();
    const running = `${dayOf(0).replaceAll('-', '')}T000000Z-ffff`;
    const declared = (baseId: string) =>
      JSON.stringify({
        id: running,
        kind: 'database',
        source: 'shop',
        baseId,
        host: 'elsewhere',
        machine: 'elsewhere',
        pid: 1,
        startedAt: new Date().toISOString(),
        aliveAt: new Date().toISOString(),
      });
    for (const name of ['pending', 'parts']) {
      const folder = join(stage.destination, name, 'database', name === 'parts' ? running : '');
      cpSync(join(pristine, 'sets', 'database', ids[0]!), folder, { recursive: true });
      for (const file of filesBelow(folder)) rmSync(join(folder, file));
    }
    writeFileSync(join(stage.destination, 'pending', 'database', `${running}.json`), declared(ids[2]!));
    writeFileSync(join(stage.destination, 'parts', 'database', running, 'rows-00001.sql.zst.age'), 'half');
    const ran = await stage.ops(`backup prune --config ${config}`, env);
    expect(ran).toMatchObject({ exitCode: 0 });
    expect(ran.stdout).toMatch(`keeps   ${ids[2]}  shop  in use by a running backup`);
    expect(setIds()).toEqual([ids[1], ids[2], ids[3], ids[4]]);
    expect(filesBelow(stage.destination)).toContain(`parts/database/${running}/rows-00001.sql.zst.age`);
    await stage.expectOnlyWholeSets(env, 10);
  });

  test('that was interrupted is finished by the next one', async () => {
    reset();
    // The manifest goes first; here the run ended right after it.
    rmSync(join(stage.destination, 'sets', 'database', ids[0]!, 'manifest.json'));
    expect((await stage.ops(`backup prune --config ${config}`, env)).exitCode).toBe(0);
    expect(setIds()).toEqual([ids[1], ids[3], ids[4]]);
    stage.expectNothingOrphaned();
    await stage.expectOnlyWholeSets(env, 10);
  });
});
