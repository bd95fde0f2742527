import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { generateIdentity, recipientOf } from '../actions/lib/age/index.ts';
import { runConsole } from '../actions/lib/console/index.ts';
import { ExitCode, toOpsError } from '../actions/lib/errors/index.ts';
import { createProgress, formatBytes, formatCount, formatDuration } from '../actions/lib/log/index.ts';
import { connect, quoteIdent, startThrowawayServer, withDatabase } from '../actions/lib/postgres/index.ts';
import { createPlatform, growPlatform } from './platform/platform.ts';
import { createUploads, growUploads } from './platform/uploads.ts';

/**
 * The main job, on real servers and in about a minute: a platform is made, backed up, changed, backed up again, restored
 * elsewhere and judged. Every step is a command that anyone can type; what it leaves is in `.ops/demo`.
 */
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = join(root, '.ops', 'demo');
const shown = (path: string) => relative(process.cwd(), path) || '.';
const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupted.abort());

const startedAt = performance.now();
try {
  await demo();
  say('');
  say(
    `The demo took ${formatDuration((performance.now() - startedAt) / 1000)}. What it made stays in ${shown(folder)} until the next one.`,
  );
} catch (thrown) {
  const error = toOpsError(thrown);
  process.stderr.write(`${error.code} ${error.message}\n${error.hint ? `  → ${error.hint}\n` : ''}`);
  process.exitCode = error.exitCode;
}

async function demo(): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const uploads = join(folder, 'uploads');
  const backups = join(folder, 'backups');
  const reports = join(folder, 'reports');

  title('A production platform: PostgreSQL with a marketplace in it, and uploads on disk');
  await using server = await startThrowawayServer({ purpose: 'the demo', signal: interrupted.signal });
  const database = withDatabase(server.target, 'crafts');
  const admin = await connect(server.target, { applicationName: 'demo', signal: interrupted.signal });
  await admin.query(`create database ${quoteIdent(database.database)}`);
  await admin.end();
  const progress = createProgress({ stream: process.stderr });
  const platform = await createPlatform(database, { progress, signal: interrupted.signal });
  const tree = await createUploads(uploads);
  say(
    `PostgreSQL ${server.version}: ${Object.keys(platform.tables).length} tables, ${formatCount(platform.rows)} rows, ` +
      `${formatBytes(platform.databaseBytes)}; ${formatCount(tree.files)} uploads, ${formatBytes(tree.bytes)}`,
  );

  // The public key encrypts; only who holds this file can read what the backups hold.
  const identity = await generateIdentity();
  const identityFile = join(folder, 'identity.txt');
  await writeFile(identityFile, `${identity}\n`, { mode: 0o600 });
  const config = join(folder, 'ops.yml');
  await writeFile(config, demoConfig(reports));
  const env = {
    PATH: process.env.PATH,
    TZ: process.env.TZ,
    DATABASE_URL: database.url,
    BACKUP_LOCAL_PATH: backups,
    BACKUP_FILES_PATHS: uploads,
    BACKUP_AGE_RECIPIENTS: await recipientOf(identity),
  };
  const ops = (words: string, more: Record<string, string> = {}) => run(words, { ...env, ...more }, config);

  title('The first backup: everything is sent, encrypted to a public key');
  await ops('backup all');

  title('A day of business, then the second backup: what has not changed is not sent again');
  const day = await growPlatform(database, { share: 0.01, signal: interrupted.signal });
  await growUploads(uploads, {});
  const count = (changes: Record<string, number>) => formatCount(Object.values(changes).reduce((sum, n) => sum + n, 0));
  say(
    `${count(day.appended)} rows added, ${count(day.updated)} changed, ${count(day.deleted)} deleted; some uploads added, changed and removed`,
  );
  await ops('backup all');

  title('The drill: the latest set restored into a second PostgreSQL, and compared with its snapshot');
  await ops('drill run --kind files', { BACKUP_AGE_IDENTITY: identity });
  await ops('drill run', { BACKUP_AGE_IDENTITY: identity });

  title('What there is now');
  await ops('backup list');
  const sets = join(backups, 'sets');
  say('');
  say(`Restore by hand, with stock tools alone:  ${shown(await newest(join(sets, 'database')))}/RESTORE.md`);
  say(`The identity that opens the sets:         ${shown(identityFile)}`);
  say(`The drill's report:                       ${shown(join(reports, 'latest', 'drill.run.json'))}`);
}

async function run(words: string, env: Record<string, string | undefined>, config: string): Promise<void> {
  say(`$ npm run -s ops -- ${words}`);
  const code = await runConsole([...words.split(' '), '--config', config], {
    env,
    cwd: root,
    stdout: process.stdout,
    stderr: process.stderr,
    signal: interrupted.signal,
  });
  if (code !== ExitCode.ok) throw new Error(`'${words}' ended with exit code ${code}`);
}

async function newest(sets: string): Promise<string> {
  return join(sets, (await readdir(sets)).sort().at(-1)!);
}

function demoConfig(reports: string): string {
  return `# Written by the demo. Questions about the restored data that only the owner of the data knows to ask:
platform: crafts
drill:
  objectives: { rtoSeconds: 900, rpoSeconds: 86400 }
  assertions:
    - name: every order belongs to a user
      sql: select count(*) = 0 from orders o left join users u on u.id = o.user_id where u.id is null
    - name: somebody can be paid
      sql: select count(*) > 0 from payments
reports:
  path: ${JSON.stringify(reports)}
`;
}

function title(text: string): void {
  say('');
  say(process.stdout.isTTY ? `\u001b[1m${text}\u001b[0m` : text);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
