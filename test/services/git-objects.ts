import { type ChildProcessWithoutNullStreams, execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { deflateSync, inflateSync } from 'node:zlib';

const run = promisify(execFile);

export type ObjectType = 'blob' | 'tree' | 'commit';
export interface TreeItem {
  mode: string;
  name: string;
  sha: string;
}

/**
 * The objects and refs of a bare repository. Objects are written in git's own loose format, so that a year of them takes
 * seconds, and `git fsck` has the last word; refs are git's own doing, with its locks.
 */
export class GitObjects {
  readonly folder: string;
  #refs: RefProcess | undefined;
  /** What was written or read lately, newest last. */
  readonly #known = new Map<string, { type: ObjectType; body: Buffer }>();
  #knownBytes = 0;

  constructor(folder: string) {
    this.folder = folder;
  }

  write(type: ObjectType, body: Buffer): string {
    const whole = Buffer.concat([Buffer.from(`${type} ${body.length}\0`), body]);
    const sha = createHash('sha1').update(whole).digest('hex');
    const path = this.#pathOf(sha);
    if (!this.#known.has(sha) && !existsSync(path)) {
      mkdirSync(join(path, '..'), { recursive: true });
      const temporary = `${path}.${process.pid}`;
      writeFileSync(temporary, deflateSync(whole, { level: 1 }));
      renameSync(temporary, path);
    }
    this.#remember(sha, { type, body });
    return sha;
  }

  async read(sha: string): Promise<{ type: ObjectType; body: Buffer } | undefined> {
    const known = this.#known.get(sha);
    if (known) return known;
    const path = this.#pathOf(sha);
    const found = existsSync(path) ? parseLoose(inflateSync(readFileSync(path))) : await this.#readPacked(sha);
    if (found) this.#remember(sha, found);
    return found;
  }

  async tree(sha: string): Promise<TreeItem[] | undefined> {
    const found = await this.read(sha);
    if (found?.type !== 'tree') return undefined;
    const items: TreeItem[] = [];
    for (let at = 0; at < found.body.length; ) {
      const space = found.body.indexOf(0x20, at);
      const end = found.body.indexOf(0, space);
      const mode = found.body.toString('latin1', at, space);
      items.push({
        mode,
        name: found.body.toString('utf8', space + 1, end),
        sha: found.body.toString('hex', end + 1, end + 21),
      });
      at = end + 21;
    }
    return items;
  }

  writeTree(items: readonly TreeItem[]): string {
    // git sorts a folder as if its name ended in a slash.
    const key = ({ mode, name }: TreeItem) => Buffer.from(mode === '40000' ? `${name}/` : name);
    const sorted = [...items].sort((a, b) => Buffer.compare(key(a), key(b)));
    const parts = sorted.flatMap(({ mode, name, sha }) => [Buffer.from(`${mode} ${name}\0`), Buffer.from(sha, 'hex')]);
    return this.write('tree', Buffer.concat(parts));
  }

  async commit(sha: string): Promise<{ tree: string; parents: string[] } | undefined> {
    const found = await this.read(sha);
    if (found?.type !== 'commit') return undefined;
    const text = found.body.toString('utf8');
    return {
      tree: /^tree ([0-9a-f]{40})$/m.exec(text)?.[1] ?? '',
      parents: [...text.split('\n\n')[0]!.matchAll(/^parent ([0-9a-f]{40})$/gm)].map(match => match[1]!),
    };
  }

  /** `refs/heads/main` → its commit. */
  async ref(name: string): Promise<string | undefined> {
    const path = join(this.folder, name);
    if (existsSync(path)) return readFileSync(path, 'utf8').trim();
    return this.git('rev-parse', '--verify', '--quiet', name).catch(() => undefined);
  }

  /** @param from the hash that the ref must have now; zeros: it must not exist. Resolves to git's complaint, if any. */
  async moveRef(name: string, to: string, from: string): Promise<string | undefined> {
    this.#refs ??= new RefProcess(this.folder);
    const refs = this.#refs;
    const complaint = await refs.update(name, to, from);
    if (complaint !== undefined && this.#refs === refs) this.#refs = undefined;
    return complaint;
  }

  async isAncestor(older: string, newer: string): Promise<boolean> {
    const parents = (await this.commit(newer))?.parents ?? [];
    if (parents.includes(older)) return true;
    // Of two that build on one commit neither comes after the other: what writers at once ask all the time.
    if (parents.length === 1 && newer !== older && (await this.#isBefore(parents[0]!, older))) return false;
    return this.git('merge-base', '--is-ancestor', older, newer).then(
      () => true,
      () => false,
    );
  }

  /** Whether it is among the commits just before another; false may also mean that it is farther back. */
  async #isBefore(older: string, newer: string): Promise<boolean> {
    let at: string | undefined = newer;
    for (let steps = 0; at !== undefined && steps < 25; steps++) {
      at = (await this.commit(at))?.parents[0];
      if (at === older) return true;
    }
    return false;
  }

  async git(...args: string[]): Promise<string> {
    const { stdout } = await run('git', ['-C', this.folder, ...args], { maxBuffer: 256 * 1024 * 1024 });
    return stdout.trimEnd();
  }

  /** Forgets what it knows, as after `git gc`. */
  forget(): void {
    this.#known.clear();
    this.#knownBytes = 0;
  }

  async close(): Promise<void> {
    await this.#refs?.close();
  }

  #pathOf(sha: string): string {
    return join(this.folder, 'objects', sha.slice(0, 2), sha.slice(2));
  }

  async #readPacked(sha: string): Promise<{ type: ObjectType; body: Buffer } | undefined> {
    try {
      const type = (await this.git('cat-file', '-t', sha)) as ObjectType;
      const options = { encoding: 'buffer' as const, maxBuffer: 256 * 1024 * 1024 };
      return { type, body: (await run('git', ['-C', this.folder, 'cat-file', type, sha], options)).stdout };
    } catch {
      return undefined;
    }
  }

  #remember(sha: string, object: { type: ObjectType; body: Buffer }): void {
    if (this.#known.has(sha)) return;
    this.#known.set(sha, object);
    this.#knownBytes += object.body.length;
    for (const [oldest, { body }] of this.#known) {
      if (this.#knownBytes < 64 * 1024 * 1024) break;
      this.#known.delete(oldest);
      this.#knownBytes -= body.length;
    }
  }
}

/** `git update-ref --stdin`, one transaction after the other; it ends at the first that git refuses. */
class RefProcess {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  readonly #closed: Promise<string>;
  #last: Promise<unknown> = Promise.resolve();

  constructor(folder: string) {
    this.#child = spawn('git', ['-C', folder, 'update-ref', '--create-reflog', '--stdin']);
    this.#child.stdin.on('error', () => {});
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
    let complaint = '';
    this.#child.stderr.on('data', chunk => {
      complaint += chunk;
    });
    this.#closed = new Promise(resolve => this.#child.once('close', () => resolve(complaint.trim())));
  }

  update(name: string, to: string, from: string): Promise<string | undefined> {
    const done = this.#last.then(async () => {
      this.#child.stdin.write(`start\nupdate ${name} ${to} ${from}\ncommit\n`);
      for (const expected of ['start: ok', 'commit: ok']) {
        const { value } = await this.#lines.next();
        if (value !== expected) return (await this.#closed) || 'git update-ref ended';
      }
      return undefined;
    });
    this.#last = done;
    return done;
  }

  async close(): Promise<void> {
    this.#child.stdin.end();
    await this.#closed;
  }
}

function parseLoose(whole: Buffer): { type: ObjectType; body: Buffer } {
  const end = whole.indexOf(0);
  return { type: whole.toString('latin1', 0, whole.indexOf(0x20)) as ObjectType, body: whole.subarray(end + 1) };
}
