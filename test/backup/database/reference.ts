import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { findClientTools, libpqEnv, type PostgresTarget, quoteQualified } from '../../../actions/lib/postgres/index.ts';
import type { World } from '../harness.ts';

const run = promisify(execFile);

/**
 * What is in a database, told by other means than the ones under test: the definitions as pg_dump writes them in plain
 * SQL, a hash of the sorted rows of each table, the state of each sequence and large object.
 */
export async function describeDatabase(world: World, target: PostgresTarget): Promise<Record<string, string>> {
  return { ...(await definitions(world, target)), ...(await content(world, target)) };
}

export async function definitions(world: World, target: PostgresTarget): Promise<Record<string, string>> {
  const tools = await findClientTools(world.server.major);
  const { stdout } = await run(tools.pgDump, ['--schema-only'], {
    env: { ...process.env, ...libpqEnv(target), PGCLIENTENCODING: 'SQL_ASCII' },
    maxBuffer: 64 * 1024 * 1024,
    encoding: 'latin1',
  });
  // One entry of pg_dump for each object: the comment in front of it is its name.
  const entries: Record<string, string> = {};
  for (const entry of stdout.split(/^--\n(?=-- Name: )/m).slice(1)) {
    const name = /^-- Name: (.*)$/m.exec(entry)![1]!;
    const text = entry.replace(/^\\(un)?restrict .*$/gm, '').trim();
    entries[name] = `${entries[name] ?? ''}${text}`;
  }
  return entries;
}

export async function content(world: World, target: PostgresTarget): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  const client = await world.connect(target);
  await client.query("set timezone = 'UTC'; set row_security = off");
  const tables = await client.query<{ schema: string; name: string }>(
    `select n.nspname as schema, c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where c.relkind in ('r', 'm') and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname !~ '^pg_' and c.relispopulated`,
  );
  for (const { schema, name } of tables.rows) {
    const { rows } = await client.query<{ n: string; hash: string }>(
      `select count(*) as n, md5(string_agg(h, ',' order by h)) as hash
         from (select md5(row(x.*)::text) collate "C" as h from only ${quoteQualified(schema, name)} x) hashes`,
    );
    found[`rows of ${schema} ${name}`] = `${rows[0]!.n} ${rows[0]!.hash}`;
  }
  const sequences = await client.query<{ schema: string; name: string }>(
    `select schemaname as schema, sequencename as name from pg_sequences`,
  );
  for (const { schema, name } of sequences.rows) {
    const { rows } = await client.query(`select last_value, is_called from ${quoteQualified(schema, name)}`);
    found[`sequence ${schema} ${name}`] = JSON.stringify(rows[0]);
  }
  const blobs = await client.query(
    `select oid, lomowner::regrole::text as owner, lomacl::text as acl, md5(lo_get(oid)) as hash,
            obj_description(oid, 'pg_largeobject') as comment from pg_largeobject_metadata order by oid`,
  );
  for (const blob of blobs.rows) found[`large object ${blob.oid}`] = JSON.stringify(blob);
  await client.end();
  return found;
}
