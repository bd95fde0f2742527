import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';

/** SHA-256, hex. */
export function sha256Of(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

const chunkBytes = 256 * 1024;

/**
 * SHA-256 of a file, hex. It is read into one buffer again and again: with a new one for each part of a large file the
 * process kept up to 70 MB that nothing was in any more.
 * @throws Error of the file system
 */
export async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  await using file = await open(path);
  const chunk = Buffer.allocUnsafeSlow(chunkBytes);
  for (;;) {
    const { bytesRead } = await file.read(chunk, 0, chunkBytes, null);
    if (bytesRead === 0) return hash.digest('hex');
    hash.update(chunk.subarray(0, bytesRead));
  }
}
