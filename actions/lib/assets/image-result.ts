import type { StoredOutcome } from './images/index.ts';
import { type FileResult, leftFile } from './result.ts';

/** What came of an image, with its bytes in the cache and their hashes here. */
export function resultOfImage(
  { path, size }: { path: string; size: { bytes: number; sha256: string } },
  outcome: StoredOutcome,
): FileResult {
  if (outcome.kind === 'refused')
    return leftFile(path, 'image', size, outcome.code, withoutPath(outcome.message, path));
  const { original, inPlace, variants, notes } = outcome;
  return {
    path,
    type: 'image',
    ...size,
    status: inPlace ? 'smaller' : 'same',
    left: null,
    notes: notes.map(note => note.slice(0, 1000)).slice(0, 50),
    image: { format: original.format, width: original.width, height: original.height, frames: original.frames },
    after: inPlace ? { ...inPlace.bytes, score: inPlace.score, tool: original.format } : null,
    map: null,
    variants: variants.map(({ format, width, height, score, bytes }) => ({ format, width, height, ...bytes, score })),
    encodings: [],
  };
}

/** `it is cut off` for `img/photo.jpg is cut off`: the path stands beside it. */
function withoutPath(message: string, path: string): string {
  return message.startsWith(`${path} `) ? `it ${message.slice(path.length + 1)}` : message;
}
