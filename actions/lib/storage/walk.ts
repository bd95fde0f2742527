import { compareKeys } from './key.ts';

export interface FolderEntry {
  name: string;
  isFolder: boolean;
}

/**
 * Everything below `folder` (empty, or ending with `/`) in key order, holding one folder of each level in memory.
 * @param read the entries of one folder; empty when it is gone
 */
export async function* walk<Entry extends FolderEntry>(
  folder: string,
  read: (folder: string) => Promise<Entry[]>,
): AsyncGenerator<{ key: string; entry: Entry }> {
  const entries = await read(folder);
  // A folder sorts as `name/`: its keys come after `name.txt`, because '.' is before '/'.
  const sortName = (entry: Entry) => (entry.isFolder ? `${entry.name}/` : entry.name);
  for (const entry of entries.sort((a, b) => compareKeys(sortName(a), sortName(b)))) {
    if (entry.isFolder) yield* walk(`${folder}${entry.name}/`, read);
    else yield { key: folder + entry.name, entry };
  }
}
