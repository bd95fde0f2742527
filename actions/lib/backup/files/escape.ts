import { OpsError } from '../../errors/index.ts';
import { pathKey, showPath } from './paths.ts';
import type { TarEntry } from './tar-stream.ts';

/**
 * Whether the members of a chain of archives, unpacked one after the other, all stay in their folder. Something that
 * was written cannot be taken back, so this is asked about every archive before the first is unpacked. It remembers
 * symbolic links only.
 */
export class EscapeGuard {
  /** Every folder that exists as a link, by its path. */
  readonly #links = new Set<string>();

  /** @throws OpsError `FILES_ESCAPE` that names the entry */
  check(entry: TarEntry): void {
    const key = pathKey(entry.path);
    if (!key || (key.length === 0 && entry.type !== 'folder')) {
      throw refusal(entry, 'its name leads out of the folder');
    }
    this.#refuseThroughLink(entry, key);
    let isLink = entry.type === 'symlink';
    if (entry.type === 'hardlink') {
      const target = pathKey(entry.link!);
      if (!target) throw refusal(entry, `it is a hard link to ${showPath(entry.link!)}, outside of the folder`);
      this.#refuseThroughLink(entry, target);
      // A second name of a symbolic link is one as well.
      isLink = this.#links.has(target.join('/'));
    }
    // tar renames folders by these (R from, T to, X by way of): nothing of ours has them.
    if (entry.names?.some(name => !'YND'.includes(String.fromCharCode(name[0] ?? 0)))) {
      throw refusal(entry, 'it asks for folders to be renamed');
    }
    const path = key.join('/');
    if (isLink) this.#links.add(path);
    else this.#links.delete(path);
  }

  #refuseThroughLink(entry: TarEntry, key: readonly string[]): void {
    if (this.#links.size === 0) return;
    for (let depth = 1; depth < key.length; depth++) {
      const above = key.slice(0, depth).join('/');
      if (this.#links.has(above))
        throw refusal(entry, `it goes through the symbolic link ${showPath(key.slice(0, depth))}`);
    }
  }
}

function refusal(entry: TarEntry, why: string): OpsError {
  return new OpsError(
    'FILES_ESCAPE',
    `The archive has an entry that is not safe to unpack, ${showPath(entry.path)}: ${why}`,
    {
      hint: 'Nothing was written. This archive was not made by this tool, or was altered by somebody who can encrypt to you.',
    },
  );
}
