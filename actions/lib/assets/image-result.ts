import type { AssetCache } from './cache/index.ts';
import type { ImageOutcome } from './images/index.ts';
import { type FileResult, leftFile } from './result.ts';

/** What came of an image, with its bytes in the cache and their hashes here. */
export async function resultOfImage(
  { path, size }: { path: string; size: { bytes: number; sha256: string } },
  outcome: ImageOutcome,
  cache: AssetCache,
): Promise<FileResult> {
  if (outcome.kind === 'refused')
    return leftFile(path, 'image', size, outcome.code, withoutPath(outcome.message, path));
  const { original, inPlace, variants, notes } = outcome;
  const put = async (made: Uint8Array) => ({ bytes: made.length, sha256: await cache.putBlob(made) });
  return {
    path,
    type: 'image',
    ...size,
    status: inPlace ? 'smaller' : 'same',
    left: null,
    notes: notes.map(note => note.slice(0, 1000)).slice(0, 50),
    image: { format: original.format, width: original.width, height: original.height, frames: original.frames },
    after: inPlace ? { ...(await put(inPlace.bytes)), score: inPlace.score, tool: original.format } : null,
    map: null,
    variants: await Promise.all(
      variants.map(async ({ format, width, height, score, bytes: made }) => ({
        format,
        width,
        height,
        ...(await put(made)),
        score,
      })),
    ),
    encodings: [],
  };
}

/** `it is cut off` for `img/photo.jpg is cut off`: the path stands beside it. */
function withoutPath(message: string, path: string): string {
  return message.startsWith(`${path} `) ? `it ${message.slice(path.length + 1)}` : message;
}
