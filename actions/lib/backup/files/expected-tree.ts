import { OpsError } from '../../errors/index.ts';
import type { EvidenceEntry } from './evidence.ts';
import { fromJsonName, type PathKey, pathKey, showPath } from './paths.ts';

/** What should be at a place of the restored tree. Two names of one file (hard links) have the same node. */
export interface ExpectedNode {
  /** Undefined for a folder above the roots: it is only a way to them. */
  facts: ExpectedFacts | undefined;
  /** Of a folder, by name (latin1, a character a byte). */
  children: Map<string, ExpectedNode> | undefined;
  names: number;
}

export type ExpectedFacts = Omit<EvidenceEntry, 'path' | 'names' | 'link'> & { link: Buffer | undefined };

/**
 * The tree that the archives of a chain leave behind, from the evidence of each: what GNU tar does when it unpacks them
 * one after the other, done to a tree in memory. Memory grows with the number of names, some hundred bytes each.
 */
export class ExpectedTree {
  readonly root: ExpectedNode = folder(undefined);

  /** The next member of the next archive. @throws OpsError `SET_DAMAGED` when it cannot follow what came before */
  apply(entry: EvidenceEntry): void {
    const path = fromJsonName(entry.path);
    const key = pathKey(path);
    if (!key || key.length === 0) throw contradiction(path, 'has no place in the tree');
    const parent = this.#folderAt(key.slice(0, -1), path);
    const name = key.at(-1)!;
    const before = parent.get(name);
    if (entry.type === 'folder') {
      const node = before?.children ? before : folder(undefined);
      node.facts = factsOf(entry);
      parent.set(name, node);
      if (entry.names) purge(node.children!, entry.names.map(fromJsonName));
      return;
    }
    if (before) before.names--;
    if (entry.type === 'hardlink') {
      const node = this.#at(pathKey(fromJsonName(entry.link!)) ?? []);
      if (!node || node.children) throw contradiction(path, 'is a hard link to a file that is not in the archive');
      node.names++;
      parent.set(name, node);
      return;
    }
    parent.set(name, { facts: factsOf(entry), children: undefined, names: 1 });
  }

  #at(key: PathKey): ExpectedNode | undefined {
    let node: ExpectedNode | undefined = this.root;
    for (const name of key) node = node?.children?.get(name);
    return node;
  }

  #folderAt(key: PathKey, path: Buffer): Map<string, ExpectedNode> {
    let children = this.root.children!;
    for (const name of key) {
      let node = children.get(name);
      if (!node) {
        node = folder(undefined);
        children.set(name, node);
      }
      if (!node.children) throw contradiction(path, 'lies in a folder that is none');
      children = node.children;
    }
    return children;
  }
}

/**
 * As GNU tar removes what a folder no longer has (`try_purge_directory` in its src/incremen.c): names that are not
 * listed, and those listed as a folder that are none or the other way round. N says nothing about what a name is.
 */
function purge(children: Map<string, ExpectedNode>, listed: readonly Buffer[]): void {
  const codes = new Map(listed.map(name => [name.toString('latin1', 1), String.fromCharCode(name[0]!)]));
  for (const [name, node] of children) {
    const code = codes.get(name);
    const isFolder = node.children !== undefined;
    const isGone = code === undefined || (code === 'D' && !isFolder) || (code === 'Y' && isFolder);
    if (isGone) remove(children, name, node);
  }
}

function remove(children: Map<string, ExpectedNode>, name: string, node: ExpectedNode): void {
  children.delete(name);
  node.names--;
  for (const [inner, child] of node.children ?? []) remove(node.children!, inner, child);
}

function folder(facts: ExpectedFacts | undefined): ExpectedNode {
  return { facts, children: new Map(), names: 1 };
}

function factsOf({ path: _path, names: _names, link, ...facts }: EvidenceEntry): ExpectedFacts {
  return { ...facts, link: link === undefined ? undefined : fromJsonName(link) };
}

function contradiction(path: Buffer, why: string): OpsError {
  return new OpsError('SET_DAMAGED', `The evidence contradicts itself: ${showPath(path)} ${why}`);
}
