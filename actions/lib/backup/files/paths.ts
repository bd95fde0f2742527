import { isUtf8 } from 'node:buffer';

/**
 * Names of files are bytes. In memory they are latin1 strings, one character a byte, split at the slashes: what equals
 * as bytes equals as text. In JSON they are text where they are UTF-8, and base64 where they are not.
 */
export type PathKey = readonly string[];

/** The names on the way to an entry; undefined for a path that could lead out of the folder it is unpacked into. */
export function pathKey(path: Buffer): PathKey | undefined {
  if (path.length === 0 || path[0] === 0x2f || path.includes(0)) return undefined;
  const names = path
    .toString('latin1')
    .split('/')
    .filter(name => name !== '' && name !== '.');
  return names.includes('..') ? undefined : names;
}

export function pathBytes(key: PathKey): Buffer {
  return Buffer.from(key.join('/'), 'latin1');
}

/** A name in JSON: text, or `{ base64 }`. */
export type JsonName = string | { base64: string };

export function toJsonName(bytes: Buffer): JsonName {
  return isUtf8(bytes) ? bytes.toString('utf8') : { base64: bytes.toString('base64') };
}

export function fromJsonName(name: JsonName): Buffer {
  return typeof name === 'string' ? Buffer.from(name, 'utf8') : Buffer.from(name.base64, 'base64');
}

/** For a person to read, on one line, whatever is in the name. */
export function showPath(path: Buffer | PathKey): string {
  const bytes = Buffer.isBuffer(path) ? path : pathBytes(path as PathKey);
  const hex = (c: string) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`;
  return isUtf8(bytes)
    ? bytes.toString('utf8').replace(/[\u0000-\u001f\u007f-\u009f]/g, hex)
    : bytes.toString('latin1').replace(/[^\u0020-\u007e]/g, hex);
}
