import { createReadStream, createWriteStream } from 'node:fs';
import { lstat, mkdtemp, rm, stat, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { OpsError } from '../../errors/index.ts';
import { formatBytes, type Log, type Progress } from '../../log/index.ts';
import { startChild } from '../../process/index.ts';
import { type Destination, openPart, type PartWriter } from '../parts/part-writer.ts';
import type { Part } from '../sets/manifest.ts';
import { type ContentHasher, contentHasher } from './content-hash.ts';
import { evidenceLine } from './evidence.ts';
import { createArgs, findGnuTar, tarEnvironment } from './gnu-tar.ts';
import { pathKey } from './paths.ts';
import { isWithin, type RootPlan } from './roots.ts';
import { rewriteSnar } from './snar.ts';
import { type TarEntry, TarReader } from './tar-stream.ts';
import { judgeTar } from './tar-warnings.ts';

export interface ArchiveOptions {
  plan: RootPlan;
  exclude: string[];
  level: number;
  /** tar's memory of the level before; undefined for level 0. */
  state: AsyncIterable<Buffer> | undefined;
  partFolder: string;
  destinations: readonly Destination[];
  recipients: readonly string[];
  compressionLevel: number;
  log: Log;
  progress: Progress;
  signal: AbortSignal;
}

export interface ArchiveResult {
  /** This run's own: archive, evidence, state. */
  parts: Part[];
  warnings: string[];
  entries: number;
  sentEntries: number;
  sentFileBytes: number;
  unreadEntries: number;
}

/**
 * A second less than tar remembers. The time of a change comes from a coarser clock than tar's own, and on a network
 * file system from another machine's: what changed while the run before began is sent once more rather than never.
 */
export const marginSeconds = 1;

/**
 * One archive of one level: tar → SHA-256 of every file → zstd → age → every destination. Only names touch the disk:
 * tar's snapshot file and its messages grow with the number of names, never with the data.
 * @throws OpsError `FILES_TAR`, `FILES_MOVED`, `FILES_ROOT_MISSING`, `FILES_STATE`, `TOOL_MISSING`, `STORAGE_*`, `CANCELLED`
 */
export async function archiveFiles(options: ArchiveOptions): Promise<ArchiveResult> {
  const command = await findGnuTar(options.signal);
  const scratch = await mkdtemp(join(tmpdir(), 'ops-files-'));
  const snar = join(scratch, 'snar');
  const messages = join(scratch, 'messages');
  const writers: PartWriter[] = [];
  const open = async (name: string, recipients: readonly string[], estimatedPlainBytes?: number) => {
    const key = `${options.partFolder}${name}.zst${recipients.length > 0 ? '.age' : ''}`;
    const { destinations, compressionLevel, signal } = options;
    const estimate = estimatedPlainBytes === undefined ? {} : { estimatedPlainBytes };
    const writer = await openPart({ key, recipients, destinations, compressionLevel, signal, ...estimate });
    writers.push(writer);
    const finish = async (role: Part['role']): Promise<Part> => {
      const sums = await writer.finish();
      writers.splice(writers.indexOf(writer), 1);
      return { key, role, isReused: false, isCompressed: true, isEncrypted: recipients.length > 0, ...sums };
    };
    return { writer, finish };
  };
  try {
    if (options.state) await bringState(options.state, options.plan, snar);
    const archive = await open(`archive-${options.level}.tar`, options.recipients, await mostBytes(options.plan));
    const evidence = await open(`evidence-${options.level}.ndjson`, options.recipients);
    const scan = new Scan(options.plan);
    const exitCode = await runTar(command, { ...options, snar, scratch, messages }, async chunk => {
      scan.reader.push(chunk);
      await archive.writer.write(chunk);
      if (scan.linesBytes > 64 * 1024) await evidence.writer.write(scan.takeLines());
    });
    const verdict = await judgeTar(exitCode, readLines(messages));
    scan.reader.end();
    scan.requireRoots();
    await evidence.writer.write(scan.takeLines());
    const parts = [await archive.finish('archive'), await evidence.finish('evidence')];
    // Not encrypted, since the machine that makes the next backup cannot decrypt: names and times, no content.
    const state = await open(`state-${options.level}.snar`, []);
    const isKnown = (folder: Buffer, name: Buffer) =>
      !verdict.unread.has(`${folder.toString('latin1')}/${name.toString('latin1')}`);
    for await (const chunk of rewriteSnar(createReadStream(snar), { keepName: isKnown })) {
      await state.writer.write(chunk);
    }
    parts.push(await state.finish('state'));
    return {
      parts,
      warnings: verdict.warnings,
      entries: scan.entries,
      sentEntries: scan.sentEntries,
      sentFileBytes: scan.sentFileBytes,
      unreadEntries: verdict.unread.size,
    };
  } catch (error) {
    await Promise.all(writers.map(writer => writer.abort(error)));
    throw error;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/**
 * tar's memory, without the folders that are no longer where it saw them. Of those it would record a rename, and go on
 * trusting what lay in them; a chain of archives with renames restores only in luck. So a moved folder is sent again.
 */
async function bringState(state: AsyncIterable<Buffer>, plan: RootPlan, snar: string): Promise<void> {
  const base = Buffer.from(plan.base === '/' ? '/' : `${plan.base}/`);
  const keepFolder = async (name: Buffer, inode: string) => {
    try {
      const now = await lstat(Buffer.concat([base, name]), { bigint: true });
      return now.isDirectory() && now.ino.toString() === inode;
    } catch {
      return false;
    }
  };
  const kept = rewriteSnar(state, { marginSeconds, keepFolder });
  await pipeline(Readable.from(kept), createWriteStream(snar, { mode: 0o600 }));
}

/** Runs tar and hands on its output; resolves with the exit code. */
async function runTar(
  command: string,
  options: ArchiveOptions & { snar: string; scratch: string; messages: string },
  consume: (chunk: Buffer) => Promise<void>,
): Promise<number> {
  const { plan, exclude, snar } = options;
  const outside = [options.scratch, ...localFolders(options.destinations)];
  for (const path of outside.filter(path => plan.roots.some(root => isWithin(path, root)))) {
    if (path !== options.scratch) options.log.info(`${path} keeps the backups and is left out of them`);
  }
  const child = startChild({
    // Every message counts, and there may be more of them than fit into what is kept of an stderr.
    command: 'sh',
    args: ['-c', 'exec "$0" "$@" 2>"$OPS_TAR_MESSAGES"', command, ...createArgs(plan, { snar, exclude, outside })],
    env: { ...tarEnvironment, OPS_TAR_MESSAGES: options.messages },
    name: 'tar',
    errorCode: 'FILES_TAR',
    okExitCodes: [0, 1, 2],
    signal: options.signal,
  });
  child.stdin.end();
  const task = options.progress.start('archiving files', undefined, formatBytes);
  try {
    for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
      await consume(chunk);
      task.advance(chunk.length);
    }
    return (await child.done).exitCode;
  } catch (error) {
    child.kill();
    // Whatever cut the output short: when tar itself failed first, its words say more.
    await child.done.catch(() => {});
    throw error;
  } finally {
    task.done();
  }
}

/** Looks at what passes: hashes it into lines of evidence, and counts. */
class Scan {
  readonly reader: TarReader;
  entries = 0;
  sentEntries = 0;
  sentFileBytes = 0;
  linesBytes = 0;
  #lines: string[] = [];
  #entry: TarEntry | undefined;
  #hasher: ContentHasher | undefined;
  readonly #missingRoots: Map<string, string>;

  constructor(plan: RootPlan) {
    this.#missingRoots = new Map(
      plan.members.map((member, i) => [pathKey(Buffer.from(member))!.join('/'), plan.roots[i]!]),
    );
    this.entries = plan.roots.length;
    this.reader = new TarReader({
      entry: entry => this.#begin(entry),
      content: (bytes, offset) => this.#hasher?.update(bytes, offset),
      done: () => this.#finish(),
    });
  }

  takeLines(): Buffer {
    const lines = Buffer.from(this.#lines.join(''));
    this.#lines = [];
    this.linesBytes = 0;
    return lines;
  }

  /** A root that tar did not get into has no member: without it everything in it would count as deleted. */
  requireRoots(): void {
    const [root] = this.#missingRoots.values();
    if (root === undefined) return;
    throw new OpsError('FILES_ROOT_MISSING', `The folder ${root} could not be read`, {
      hint: 'It vanished meanwhile, or this user may not read it.',
    });
  }

  #begin(entry: TarEntry): void {
    this.#entry = entry;
    this.#hasher = entry.type === 'file' ? contentHasher(entry.isSparse) : undefined;
    if (entry.type !== 'folder') this.sentEntries++;
    this.sentFileBytes += entry.sizeBytes;
    if (entry.names === undefined) return;
    this.#missingRoots.delete(pathKey(entry.path)?.join('/') ?? '');
    for (const name of entry.names) {
      const code = String.fromCharCode(name[0]!);
      if (!'YND'.includes(code)) throw moved(entry);
      this.entries++;
    }
  }

  #finish(): void {
    const line = evidenceLine(this.#entry!, this.#hasher?.digest());
    this.#lines.push(line);
    this.linesBytes += line.length;
  }
}

/** Between our look at the folders and tar's own, a folder that it knew was moved: its archive would record a rename. */
function moved(entry: TarEntry): OpsError {
  return new OpsError('FILES_MOVED', `A folder was moved while the backup began (seen in ${entry.path.toString()})`, {
    hint: 'Run the backup again.',
  });
}

function localFolders(destinations: readonly Destination[]): string[] {
  return destinations.flatMap(({ storage }) => (storage.kind === 'local' ? [storage.name.slice('local:'.length)] : []));
}

/** No more than this can come, and it costs no walk: what is in use on the file systems of the roots. */
async function mostBytes(plan: RootPlan): Promise<number> {
  const used = new Map<number, number>();
  for (const root of plan.roots) {
    const [{ dev }, { blocks, bfree, bsize }] = await Promise.all([stat(root), statfs(root)]);
    used.set(dev, (blocks - bfree) * bsize);
  }
  return [...used.values()].reduce((sum, bytes) => sum + bytes, 0);
}

function readLines(path: string): AsyncIterable<string> {
  return createInterface({ input: createReadStream(path, 'latin1'), crlfDelay: Number.POSITIVE_INFINITY });
}
