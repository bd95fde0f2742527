import { createHash } from 'node:crypto';
import { deflateSync } from 'node:zlib';
import { base85Lines } from './base85.ts';

export interface PatchedFile {
  path: string;
  before: Uint8Array;
  after: Uint8Array;
  /** `100644` or `100755`. */
  mode: string;
}

/** A patch for `git apply`, whole files, of text as of images: it applies where the files are the very ones, and nowhere else. */
export function binaryPatch(files: readonly PatchedFile[]): string {
  return files
    .map(({ path, before, after, mode }) => {
      const [from, to] = [quoted(`a/${path}`), quoted(`b/${path}`)];
      return [
        `diff --git ${from} ${to}\n`,
        `index ${gitBlobSha(before)}..${gitBlobSha(after)} ${mode}\n`,
        'GIT binary patch\n',
        literal(after),
        literal(before),
      ].join('');
    })
    .join('');
}

/** The name that git has for bytes. */
export function gitBlobSha(bytes: Uint8Array): string {
  return createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
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
