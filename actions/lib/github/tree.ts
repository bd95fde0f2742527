import { createHash } from 'node:crypto';
import { OpsError } from '../errors/index.ts';
import type { GitHub } from './client.ts';

/** The files of one commit. Paths are relative to the repository, with `/`. */
export interface Head {
  /** Of the commit; null for a branch that does not exist yet. */
  readonly sha: string | null;
  /** The text of a file, undefined when there is none. */
  read(path: string): Promise<string | undefined>;
  /** The hash and the mode of a file, undefined when there is none. */
  entry(path: string): Promise<{ sha: string; mode: string } | undefined>;
  /** What is directly in a folder; nothing when there is none. */
  list(folder: string): Promise<HeadEntry[]>;
}

export interface HeadEntry {
  name: string;
  path: string;
  isFolder: boolean;
  /** 0 for a folder. */
  sizeBytes: number;
}

interface TreeEntry {
  path: string;
  type: string;
  mode?: string;
  sha: string;
  size?: number;
}

/** What was read, by its hash: that never changes, so a new head costs only what differs in it. */
export class ObjectCache {
  readonly #github: GitHub;
  readonly #trees = new Map<string, Promise<TreeEntry[]>>();
  readonly #blobs = new Map<string, Promise<string>>();

  constructor(github: GitHub) {
    this.#github = github;
  }

  tree(sha: string): Promise<TreeEntry[]> {
    return remembered(this.#trees, sha, async () => {
      const { data } = await this.#github.request<{ tree: TreeEntry[]; truncated: boolean }>(
        'GET /repos/{owner}/{repo}/git/trees/{sha}',
        { sha },
      );
      // At 100,000 entries. What is cut off would be taken for what is not there.
      if (data.truncated) throw new OpsError('GITHUB_FAILED', `The folder ${sha} has more entries than GitHub lists`);
      return data.tree;
    });
  }

  blob(sha: string): Promise<string> {
    return remembered(this.#blobs, sha, async () => {
      const { data } = await this.#github.request<{ content: string; encoding: string }>(
        'GET /repos/{owner}/{repo}/git/blobs/{sha}',
        { sha },
      );
      const bytes = Buffer.from(data.content, data.encoding === 'base64' ? 'base64' : 'utf8');
      const hash = createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
      // A file that arrives changed would be written back changed.
      if (hash !== sha)
        throw new OpsError('GITHUB_FAILED', `File ${sha} did not arrive as it is`, { hint: 'Run it again.' });
      return bytes.toString('utf8');
    });
  }
}

/**
 * Reads folder by folder, each by its hash: that something is missing is known from a listing of where it would be, and
 * not from a 404, which GitHub also gives for what has not reached a replica, or may not be seen.
 */
export function headOf(cache: ObjectCache, commit: { sha: string; treeSha: string } | null): Head {
  const entriesOf = async (folder: string): Promise<TreeEntry[]> => {
    if (commit === null) return [];
    let treeSha = commit.treeSha;
    for (const name of folder.split('/').filter(Boolean)) {
      const next = (await cache.tree(treeSha)).find(entry => entry.path === name && entry.type === 'tree');
      if (!next) return [];
      treeSha = next.sha;
    }
    return cache.tree(treeSha);
  };
  const blobEntry = async (path: string) => {
    const slash = path.lastIndexOf('/');
    const entries = await entriesOf(path.slice(0, Math.max(0, slash)));
    return entries.find(({ path: name, type }) => name === path.slice(slash + 1) && type === 'blob');
  };
  return {
    sha: commit?.sha ?? null,
    async read(path) {
      const entry = await blobEntry(path);
      return entry && cache.blob(entry.sha);
    },
    async entry(path) {
      const found = await blobEntry(path);
      return found && { sha: found.sha, mode: found.mode ?? '100644' };
    },
    async list(folder) {
      const entries = await entriesOf(folder);
      return entries.map(({ path: name, type, size }) => ({
        name,
        path: [folder, name].filter(Boolean).join('/'),
        isFolder: type === 'tree',
        sizeBytes: size ?? 0,
      }));
    },
  };
}

/** A failure is not remembered. */
function remembered<T>(known: Map<string, Promise<T>>, key: string, make: () => Promise<T>): Promise<T> {
  const existing = known.get(key);
  if (existing) return existing;
  const made = make();
  known.set(key, made);
  made.catch(() => known.delete(key));
  return made;
}
