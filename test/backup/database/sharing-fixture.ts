import { expect } from 'vitest';
import type { DatabaseManifest } from '../../../actions/lib/backup/sets/manifest.ts';
import { type PostgresTarget, quoteIdent, withDatabase } from '../../../actions/lib/postgres/index.ts';
import { type BackupOptions, openWorld, type World } from '../harness.ts';
import { content } from './reference.ts';

/** 2.5 MB of rows in some fifty segments, a table with much TOAST, and small ones that share a part. */
const templateSql = `
create type mood as enum ('sad', 'ok', 'happy'); create type inner_pair as (m mood, n int); create type pair as (first inner_pair, rest text);
create domain moods as mood[];
create table t (id int primary key, v text, e mood default 'ok', n numeric(10,2) default 1, extra int default 5, p pair, ms moods);
insert into t (id, v, p, ms) select g, repeat(md5(g::text), 2), row(row('sad', g)::inner_pair, 'x')::pair, '{sad,happy}' from generate_series(1, 24000) g;
create table toasted (id int, body text); alter table toasted alter body set storage external;
insert into toasted select g, repeat(md5(g::text), 600) from generate_series(1, 120) g;
create table small_a (id int, v text); create table small_b (id int, v text);
insert into small_a select g, 'a' from generate_series(1, 50) g; insert into small_b select g, 'b' from generate_series(1, 50) g;
`;

/** So that 2.5 MB are some forty segments. */
const segmentBytes = 64 * 1024;

/** A world with databases that are backed up several times. */
export interface SharingWorld {
  world: World;
  copyOfTemplate(): Promise<PostgresTarget>;
  backup(source: PostgresTarget, options?: BackupOptions): Promise<DatabaseManifest>;
  /** Restores a set and holds the rows of every table against those of the source. */
  expectExact(source: PostgresTarget, manifest: DatabaseManifest): Promise<void>;
}

export async function openSharingWorld(): Promise<SharingWorld> {
  const world = await openWorld();
  await world.database('template', templateSql);
  let count = 0;
  return {
    world,
    async copyOfTemplate() {
      const name = `copy_${++count}`;
      await world.query(world.server.target, `create database ${quoteIdent(name)} template template`);
      return withDatabase(world.server.target, name);
    },
    backup: (source, options = {}) => world.backup(source, { segmentBytes, ...options }).then(made => made.manifest),
    async expectExact(source, manifest) {
      const { target, findings } = await world.prove(manifest);
      expect(findings).toEqual([]);
      expect(await content(world, target)).toEqual(await content(world, source));
      await world.query(world.server.target, `drop database ${quoteIdent(target.database)}`);
    },
  };
}

export const reusedParts = (manifest: DatabaseManifest) => manifest.parts.filter(part => part.isReused).length;
