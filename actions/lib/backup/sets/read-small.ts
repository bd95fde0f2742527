import { OpsError } from '../../errors/index.ts';
import type { Storage } from '../../storage/index.ts';

/** A manifest of a terabyte in 1,000 parts is under 1 MiB; what is larger than this is not one. */
const largestTextBytes = 64 * 1024 * 1024;

/** Reads a small object whole. @throws OpsError `STORAGE_*`, `SET_DAMAGED` when it is absurdly large */
export async function readSmall(storage: Storage, key: string, signal?: AbortSignal): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of await storage.get(key, signal && { signal })) {
    chunks.push(chunk as Buffer);
    bytes += (chunk as Buffer).length;
    if (bytes > largestTextBytes) throw new OpsError('SET_DAMAGED', `${key} is larger than any manifest can be`);
  }
  return Buffer.concat(chunks).toString('utf8');
}
