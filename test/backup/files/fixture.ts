import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import {
  chmod,
  link,
  lstat,
  lutimes,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import { vi } from 'vitest';
import { generateIdentity, recipientOf } from '../../../actions/lib/age/index.ts';
import { backupFiles } from '../../../actions/lib/backup/backup-files.ts';
import { marginSeconds } from '../../../actions/lib/backup/files/archive-files.ts';
import { restoreFiles } from '../../../actions/lib/backup/files/restore-files.ts';
import type { FilesManifest } from '../../../actions/lib/backup/sets/manifest.ts';
import { configSchema, readSecrets } from '../../../actions/lib/config/index.ts';
import type { OpsContext } from '../../../actions/lib/context/index.ts';
import { noProgress, silentLog } from '../../../actions/lib/log/index.ts';
import { createLocalStorage, type Storage } from '../../../actions/lib/storage/index.ts';

export const run = promisify(execFile);

/** Whoever waits for files to become old enough waits a second for each level. */
vi.setConfig({ testTimeout: 60_000 });

export interface PlatformOptions {
  paths?: string[];
  exclude?: string[];
  fullEveryDays?: number;
  isEncrypted?: boolean;
}

/** A folder with uploads, a place for backups, and a clock that moves an hour with every backup. */
export class FilesPlatform implements AsyncDisposable {
  readonly root: string;
  readonly uploads: string;
  readonly storage: Storage;
  readonly warnings: string[] = [];
  readonly identity: string;
  readonly #recipient: string;
  options: PlatformOptions;
  #clock = Date.now();

  private constructor(root: string, keys: { identity: string; recipient: string }, options: PlatformOptions) {
    this.root = root;
    this.identity = keys.identity;
    this.#recipient = keys.recipient;
    this.uploads = join(root, 'uploads');
    this.storage = createLocalStorage({ path: join(root, 'backups') });
    this.options = { isEncrypted: true, ...options };
  }

  static async create(options: PlatformOptions = {}): Promise<FilesPlatform> {
    const identity = await generateIdentity();
    const keys = { identity, recipient: await recipientOf(identity) };
    const platform = new FilesPlatform(await mkdtemp(join(tmpdir(), 'ops-test-files-')), keys, options);
    await mkdir(platform.uploads);
    return platform;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.root, { recursive: true, force: true });
  }

  path(name: string | Buffer): Buffer {
    return Buffer.concat([Buffer.from(`${this.uploads}/`), Buffer.from(name)]);
  }

  context(): OpsContext {
    const recipients = this.options.isEncrypted ? [this.#recipient] : [];
    const { paths = [this.uploads], exclude = [], fullEveryDays = 7 } = this.options;
    return {
      config: configSchema.parse({ backup: { recipients, files: { paths, exclude, fullEveryDays } } }),
      secrets: readSecrets(this.options.isEncrypted ? { BACKUP_AGE_IDENTITY: this.identity } : {}),
      log: { ...silentLog, warn: message => this.warnings.push(message) },
      progress: noProgress,
      signal: new AbortController().signal,
      now: () => new Date(this.#clock),
      cwd: this.root,
      reportId: '20261123T020000Z-7f3c',
    };
  }

  passHours(hours: number): void {
    this.#clock += hours * 3_600_000;
  }

  async backup(storages: Storage[] = [this.storage]): Promise<FilesManifest> {
    this.passHours(1);
    return (await backupFiles(this.context(), storages)).manifest;
  }

  /** Backs up once everything is old enough for the next level to take it for unchanged. */
  async settledBackup(): Promise<FilesManifest> {
    const newest = await newestChange(Buffer.from(this.uploads));
    while (Date.now() - newest <= marginSeconds * 1000 + 50) await wait(20);
    return this.backup();
  }

  async restore(manifest: FilesManifest, targetDir = join(this.root, 'restored'), force = false): Promise<string> {
    const context = this.context();
    await restoreFiles({
      storage: this.storage,
      manifest,
      identities: this.options.isEncrypted ? [this.identity] : [],
      targetDir,
      force,
      log: context.log,
      progress: context.progress,
      signal: context.signal,
    });
    return targetDir;
  }
}

/** Everything that is awkward about files, below a folder. Modes and times last, since making entries changes them. */
export async function makeOddTree(at: (name: string | Buffer) => Buffer): Promise<void> {
  for (const folder of ['courses', 'courses/weaving', 'empty', '-C', 'deep/'.repeat(60)]) {
    await mkdir(at(folder), { recursive: true });
  }
  const names: (string | Buffer)[] = [
    'plain.txt',
    'with space',
    'new\nline',
    '-rf',
    '--checkpoint-action=exec=false',
    'back\\slash',
    '*',
    'tab\there',
    'ümläut und 日本',
    Buffer.from([0xff, 0xfe, 0x20, 0x80]),
    'n'.repeat(255),
    'courses/weaving/loom.jpg',
    `${'deep/'.repeat(60)}${'m'.repeat(200)}`,
    '-C/inside',
  ];
  for (const name of names) await writeFile(at(name), `content of ${Buffer.from(name).toString('hex')}`);
  await writeFile(at('nothing'), '');
  await writeFile(at('large'), createHash('sha512').update('large').digest().toString('hex').repeat(20_000));
  makeSparse(at('sparse'), 50_000_000, [
    [0, 'first'],
    [20_000_123, 'middle'],
    [49_999_990, 'last bytes'],
  ]);
  makeSparse(at('hole at the end'), 9_000_001, [[4096, 'x']]);
  await symlink('plain.txt', at('link'));
  await symlink('/etc/passwd', at('link out'));
  await symlink(Buffer.from([0x2e, 0x2f, 0xff]), at('link to odd bytes'));
  await symlink('courses', at('link to folder'));
  await link(at('plain.txt'), at('courses/second name'));
  await link(at('plain.txt'), at('third name'));
  await link(at('link'), at('second name of a link'));
  await run('mkfifo', [at('fifo').toString()]);
  for (const [name, mode] of [
    ['plain.txt', 0o640],
    ['-rf', 0o4755],
    ['nothing', 0o400],
    ['empty', 0o2770],
    ['courses/weaving', 0o1777],
  ] as const) {
    await chmod(at(name), mode);
  }
  for (const [name, time] of [
    ['plain.txt', 1_000_000_000.5],
    ['large', 1_500_000_000.999],
    ['nothing', 0],
    ['link', 1_234_567_890],
    ['empty', 1_111_111_111],
  ] as const) {
    await lutimes(at(name), time, time);
  }
}

export function makeSparse(path: Buffer, bytes: number, pieces: readonly (readonly [number, string])[]): void {
  const file = openSync(path, 'w');
  ftruncateSync(file, bytes);
  for (const [offset, text] of pieces) writeSync(file, text, offset);
  closeSync(file);
}

/** What is below a folder, told by other means than the ones under test: one line of text for each path. */
export async function describeTree(folder: string): Promise<Record<string, string>> {
  const tree: Record<string, string> = {};
  const firstName = new Map<bigint, string>();
  const visit = async (path: Buffer, name: string) => {
    const stats = await lstat(path, { bigint: true });
    const mtime = stats.mtimeNs / 1_000_000_000n;
    const facts = [`${stats.mode.toString(8)}`, `${stats.uid}:${stats.gid}`, `at ${mtime}`];
    if (stats.isSymbolicLink()) facts.push(`-> ${(await readlink(path, { encoding: 'buffer' })).toString('latin1')}`);
    if (stats.isFile()) {
      facts.push(
        `${stats.size} bytes ${createHash('sha256')
          .update(await readFile(path))
          .digest('hex')
          .slice(0, 16)}`,
      );
    }
    if (!stats.isDirectory() && stats.nlink > 1n) {
      const first = firstName.get(stats.ino);
      firstName.set(stats.ino, first ?? name);
      if (first !== undefined) facts.push(`= ${first}`);
    }
    tree[name] = facts.join(', ');
    if (!stats.isDirectory()) return;
    const names = (await readdir(path, { encoding: 'buffer' })).sort(Buffer.compare);
    for (const inner of names) {
      await visit(Buffer.concat([path, Buffer.from('/'), inner]), `${name}/${inner.toString('latin1')}`);
    }
  };
  await visit(Buffer.from(folder), '.');
  return tree;
}

async function newestChange(path: Buffer): Promise<number> {
  const stats = await lstat(path);
  let newest = stats.ctimeMs;
  if (!stats.isDirectory()) return newest;
  for (const name of await readdir(path, { encoding: 'buffer' })) {
    newest = Math.max(newest, await newestChange(Buffer.concat([path, Buffer.from('/'), name])));
  }
  return newest;
}

/** Runs the `sh` blocks of a RESTORE.md as a person would, one after the other in one shell. */
export async function followRestoreDocument(
  document: string,
  places: { destination: string; environment: Record<string, string> },
): Promise<void> {
  const blocks = [...document.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(match => match[1]!);
  const shell = spawn('bash', ['-euo', 'pipefail', '-c', blocks.join('\n')], {
    cwd: places.destination,
    env: { PATH: process.env.PATH, ...places.environment },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  shell.stderr.on('data', chunk => {
    said += chunk;
  });
  const code = await new Promise(resolve => shell.on('close', resolve));
  if (code !== 0) throw new Error(`RESTORE.md failed with ${code}: ${said}`);
}
