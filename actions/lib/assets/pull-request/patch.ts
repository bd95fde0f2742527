import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { deflateSync } from 'node:zlib';
import { base85Lines } from './base85.ts';
import { gitBlobSha } from './git-blob.ts';
import type { Replacement } from './smaller-files.ts';

export interface WrittenPatch {
  files: number;
  bytes: number;
}

/**
 * A patch for `git apply`, whole files, of text as of images: it applies where the files are the very ones, and nowhere
 * else. Written file by file.
 */
export async function writePatch(
  path: string,
  replacements: readonly Replacement[],
  signal: AbortSignal,
): Promise<WrittenPatch> {
  const written = { files: 0, bytes: 0 };
  async function* parts() {
    for (const replacement of replacements) {
      const text = await patchOf(replacement);
      if (text === undefined) continue;
      written.files += replacement.files.length;
      written.bytes += text.length;
      yield text;
    }
  }
  await mkdir(dirname(path), { recursive: true });
  await pipeline(Readable.from(parts()), createWriteStream(path), { signal });
  return written;
}

/** Undefined when a part of it is no longer what it was. */
async function patchOf({ files }: Replacement): Promise<string | undefined> {
  const texts: string[] = [];
  for (const { path, ...file } of files) {
    const before = await file.before();
    if (!before) return undefined;
    texts.push(filePatch(path, { before, after: await file.after(), mode: await file.mode() }));
  }
  return texts.join('');
}

function filePatch(
  path: string,
  { before, after, mode }: { before: Uint8Array; after: Uint8Array; mode: string },
): string {
  return [
    `diff --git ${quoted(`a/${path}`)} ${quoted(`b/${path}`)}\n`,
    `index ${gitBlobSha(before)}..${gitBlobSha(after)} ${mode}\n`,
    'GIT binary patch\n',
    literal(after),
    literal(before),
  ].join('');
}

function literal(bytes: Uint8Array): string {
  return `literal ${bytes.length}\n${base85Lines(deflateSync(bytes))}\n`;
}

/** As git quotes paths in patches (quote.c): bytes that are not printable ASCII in octal. */
function quoted(path: string): string {
  if (/^[\x21\x23-\x5b\x5d-\x7e ]*$/.test(path)) return path;
  const inner = [...Buffer.from(path)]
    .map(byte => {
      if (byte === 0x22 || byte === 0x5c) return `\\${String.fromCharCode(byte)}`;
      return byte < 0x20 || byte > 0x7e ? `\\${byte.toString(8).padStart(3, '0')}` : String.fromCharCode(byte);
    })
    .join('');
  return `"${inner}"`;
}
