import type { BigIntStats, Dirent } from 'node:fs';
import { lstat, open, readdir, readlink } from 'node:fs/promises';
import type { ProgressTask } from '../../log/index.ts';
import { contentHasher } from './content-hash.ts';
import type { ExpectedFacts, ExpectedNode, ExpectedTree } from './expected-tree.ts';
import { showPath } from './paths.ts';

export interface TreeComparison {
  /** At most `mostFindings`, the last one telling how many more there are. */
  findings: string[];
  entries: number;
  fileBytes: number;
}

/** A tree that is wrong everywhere need not be told file by file. */
const mostFindings = 100;
const readBytes = 1024 * 1024;

/**
 * Compares a folder with what the evidence says should be in it: names, types, modes, owners (as root, who alone can
 * restore them), times to the second, targets of links, which names are one file, and the content of every file.
 */
export async function compareTree(
  folder: string,
  expected: ExpectedTree,
  options: { signal: AbortSignal; task: ProgressTask },
): Promise<TreeComparison> {
  const comparison = new Comparison(options);
  await comparison.folder(Buffer.from(folder), [], expected.root);
  return comparison.result();
}

class Comparison {
  readonly #options: { signal: AbortSignal; task: ProgressTask };
  readonly #findings: string[] = [];
  readonly #isRoot = process.getuid?.() === 0;
  #findingCount = 0;
  #entries = 0;
  #fileBytes = 0;
  readonly #buffer = Buffer.allocUnsafeSlow(readBytes);
  /** Files with several names: where each was met first, and which file an inode was met as. */
  readonly #inodeOf = new Map<ExpectedNode, bigint>();
  readonly #nodeOf = new Map<bigint, ExpectedNode>();

  constructor(options: { signal: AbortSignal; task: ProgressTask }) {
    this.#options = options;
  }

  result(): TreeComparison {
    const more = this.#findingCount - this.#findings.length;
    const findings = more > 0 ? [...this.#findings, `and ${more} more`] : this.#findings;
    return { findings, entries: this.#entries, fileBytes: this.#fileBytes };
  }

  async folder(path: Buffer, key: readonly string[], node: ExpectedNode): Promise<void> {
    const present = await this.#read(path);
    for (const name of present) {
      if (!node.children!.has(name)) this.#find([...key, name], 'is there, and is not in the backup');
    }
    for (const [name, child] of node.children!) {
      this.#options.signal.throwIfAborted();
      const childKey = [...key, name];
      if (!present.has(name)) this.#find(childKey, 'is missing');
      else await this.#entry(Buffer.concat([path, Buffer.from('/'), Buffer.from(name, 'latin1')]), childKey, child);
    }
  }

  async #read(path: Buffer): Promise<Set<string>> {
    const names = (await readdir(path, { encoding: 'buffer', withFileTypes: true })) as unknown as Dirent<Buffer>[];
    return new Set(names.map(entry => entry.name.toString('latin1')));
  }

  async #entry(path: Buffer, key: readonly string[], node: ExpectedNode): Promise<void> {
    const { facts } = node;
    const stats = await lstat(path, { bigint: true });
    const type = typeOf(stats);
    if (facts === undefined) {
      if (type === 'folder') return this.folder(path, key, node);
      return this.#find(key, `is a ${type}, and should be a folder`);
    }
    this.#entries++;
    if (type !== facts.type) return this.#find(key, `is a ${type}, and should be a ${facts.type}`);
    this.#compareAttributes(key, facts, stats);
    this.#compareLinks(key, node, stats);
    if (type === 'folder') return this.folder(path, key, node);
    if (type === 'symlink') {
      const target = await readlink(path, { encoding: 'buffer' });
      if (!target.equals(facts.link!))
        this.#find(key, `points to ${showPath(target)}, not to ${showPath(facts.link!)}`);
    }
    if (type === 'file') await this.#compareContent(path, key, facts, stats);
  }

  #compareAttributes(key: readonly string[], facts: ExpectedFacts, stats: BigIntStats): void {
    const mode = Number(stats.mode & 0o7777n);
    // Linux gives every symbolic link the same mode.
    if (mode !== facts.mode && facts.type !== 'symlink') {
      this.#find(key, `has mode ${mode.toString(8)}, not ${facts.mode.toString(8)}`);
    }
    if (this.#isRoot && (Number(stats.uid) !== facts.uid || Number(stats.gid) !== facts.gid)) {
      this.#find(key, `belongs to ${stats.uid}:${stats.gid}, not to ${facts.uid}:${facts.gid}`);
    }
    const mtimeSeconds = Number(
      stats.mtimeNs < 0n ? -((-stats.mtimeNs + 999_999_999n) / 1_000_000_000n) : stats.mtimeNs / 1_000_000_000n,
    );
    if (mtimeSeconds !== facts.mtimeSeconds) {
      this.#find(key, `was changed at ${mtimeSeconds}, not at ${facts.mtimeSeconds} (seconds since 1970)`);
    }
  }

  #compareLinks(key: readonly string[], node: ExpectedNode, stats: BigIntStats): void {
    if (node.children || (node.names === 1 && stats.nlink === 1n)) return;
    const inode = this.#inodeOf.get(node);
    const other = this.#nodeOf.get(stats.ino);
    if (inode !== undefined && inode !== stats.ino) this.#find(key, 'is no longer one file with its other names');
    if (other !== undefined && other !== node) this.#find(key, 'is one file with another name, and should not be');
    this.#inodeOf.set(node, stats.ino);
    this.#nodeOf.set(stats.ino, node);
  }

  async #compareContent(path: Buffer, key: readonly string[], facts: ExpectedFacts, stats: BigIntStats): Promise<void> {
    if (stats.size !== BigInt(facts.sizeBytes!)) {
      return this.#find(key, `has ${stats.size} bytes, not ${facts.sizeBytes}`);
    }
    const hasher = contentHasher(facts.sparseSha256 !== undefined);
    const file = await open(path, 'r');
    try {
      let offset = 0;
      for (;;) {
        this.#options.signal.throwIfAborted();
        const { bytesRead } = await file.read(this.#buffer, 0, readBytes, offset);
        if (bytesRead === 0) break;
        hasher.update(this.#buffer.subarray(0, bytesRead), offset);
        this.#options.task.advance(bytesRead);
        offset += bytesRead;
      }
    } finally {
      await file.close();
    }
    this.#fileBytes += facts.sizeBytes!;
    const content = hasher.digest();
    const isSame = 'sha256' in content ? content.sha256 === facts.sha256 : content.sparseSha256 === facts.sparseSha256;
    if (!isSame) this.#find(key, 'has other content');
  }

  #find(key: readonly string[], what: string): void {
    this.#findingCount++;
    if (this.#findings.length < mostFindings) this.#findings.push(`${showPath(key)} ${what}`);
  }
}

function typeOf(stats: BigIntStats): ExpectedFacts['type'] {
  if (stats.isFile()) return 'file';
  if (stats.isDirectory()) return 'folder';
  if (stats.isSymbolicLink()) return 'symlink';
  if (stats.isFIFO()) return 'fifo';
  return stats.isBlockDevice() ? 'block' : 'char';
}
