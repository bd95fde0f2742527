import { OpsError } from '../../errors/index.ts';
import type { FilesManifest, Part } from '../sets/manifest.ts';

/**
 * The archives of a set and the evidence of each, the full one first.
 * @throws OpsError `SET_DAMAGED`
 */
export function chainOf(manifest: FilesManifest): { archive: Part; evidence: Part }[] {
  const archives = manifest.parts.filter(part => part.role === 'archive');
  const evidence = manifest.parts.filter(part => part.role === 'evidence');
  if (archives.length !== manifest.files.level + 1 || evidence.length !== archives.length) {
    throw new OpsError('SET_DAMAGED', `Set ${manifest.id} does not list an archive for each of its levels`);
  }
  return archives.map((archive, level) => ({ archive, evidence: evidence[level]! }));
}
