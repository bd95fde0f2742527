import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { z } from 'zod';
import { configSchema } from '../../actions/lib/config/index.ts';
import type { OpsContext } from '../../actions/lib/context/index.ts';
import { noProgress, silentLog } from '../../actions/lib/log/index.ts';

/** A folder with files, and a context that works in it. */
export class Tree implements AsyncDisposable {
  readonly root: string;

  private constructor(root: string) {
    this.root = root;
  }

  static async open(files: Record<string, string | Uint8Array> = {}): Promise<Tree> {
    const tree = new Tree(await mkdtemp(join(tmpdir(), 'ops-assets-')));
    for (const [path, content] of Object.entries(files)) await tree.write(path, content);
    return tree;
  }

  /** Old enough that a later change shows in its times. */
  async write(path: string, content: string | Uint8Array): Promise<void> {
    const file = join(this.root, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, content);
    const then = new Date(Date.now() - 60_000);
    await utimes(file, then, then);
  }

  read(path: string): Promise<string> {
    return readFile(join(this.root, path), 'utf8');
  }

  /** Every file but those of the cache. */
  async list(): Promise<string[]> {
    const entries = await readdir(this.root, { recursive: true, withFileTypes: true });
    return entries
      .filter(entry => entry.isFile())
      .map(entry => join(entry.parentPath, entry.name).slice(this.root.length + 1))
      .filter(path => !path.startsWith('.ops/'))
      .sort();
  }

  context(assets: z.input<typeof configSchema>['assets'] = {}, signal = new AbortController().signal): OpsContext {
    return {
      config: configSchema.parse({ assets }),
      secrets: {} as OpsContext['secrets'],
      log: silentLog,
      progress: noProgress,
      signal,
      now: () => new Date(),
      cwd: this.root,
      reportId: '20261123T020000Z-7f3c',
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.root, { recursive: true, force: true });
  }
}

/** CSS that loses more than half of itself, and is large enough to be compressed. */
export const looseCss = Array.from(
  { length: 80 },
  (_, at) => `.rule-${at} {\n    color: #ff${at.toString(16).padStart(2, '0')}00;\n    margin: 0px 0px;\n}\n`,
).join('\n');
