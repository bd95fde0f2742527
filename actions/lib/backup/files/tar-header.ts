import { OpsError } from '../../errors/index.ts';

/**
 * One 512-byte header of a tar archive and the extended records before it, read the way GNU tar reads them. What GNU
 * tar might understand differently is refused, so that what was checked is what gets unpacked.
 * Sources: POSIX.1-2001 pax interchange format; GNU tar manual, "Basic Tar Format" and "Storing Sparse Files".
 */
export interface TarHeader {
  path: Buffer;
  typeflag: string;
  mode: number;
  uid: number;
  gid: number;
  sizeBytes: number;
  mtimeSeconds: number;
  link: Buffer;
}

export const blockBytes = 512;

/** @throws OpsError `FILES_ARCHIVE` */
export function parseHeader(block: Buffer): TarHeader {
  if (numeric(block.subarray(148, 156)) !== checksum(block)) throw unreadable('a header does not match its checksum');
  // Old GNU headers keep other things where POSIX ones have the prefix; their magic ends with two blanks.
  const isPosix = block.toString('latin1', 257, 263) === 'ustar\0';
  const name = text(block.subarray(0, 100));
  const prefix = isPosix ? text(block.subarray(345, 500)) : Buffer.alloc(0);
  return {
    path: prefix.length > 0 ? Buffer.concat([prefix, Buffer.from('/'), name]) : name,
    typeflag: block[156] === 0 ? '0' : String.fromCharCode(block[156]!),
    mode: numeric(block.subarray(100, 108)) & 0o7777,
    uid: numeric(block.subarray(108, 116)),
    gid: numeric(block.subarray(116, 124)),
    sizeBytes: size(numeric(block.subarray(124, 136))),
    mtimeSeconds: numeric(block.subarray(136, 148)),
    link: text(block.subarray(157, 257)),
  };
}

/** The records of a pax header, `<length> <key>=<value>\n` each; the last of a key counts. */
export function parsePax(bytes: Buffer): Map<string, Buffer> {
  const records = new Map<string, Buffer>();
  let at = 0;
  while (at < bytes.length) {
    const blank = bytes.indexOf(0x20, at);
    const digits = blank > at && blank - at < 20 ? bytes.toString('latin1', at, blank) : '';
    const end = at + Number(digits);
    if (!/^[1-9]\d*$/.test(digits) || end > bytes.length || bytes[end - 1] !== 0x0a) {
      throw unreadable('an extended header is not well formed');
    }
    const equals = bytes.indexOf(0x3d, blank);
    if (equals < 0 || equals >= end) throw unreadable('an extended header is not well formed');
    records.set(bytes.toString('latin1', blank + 1, equals), bytes.subarray(equals + 1, end - 1));
    at = end;
  }
  return records;
}

/** A pax record over the header's own value. */
export function applyPax(header: TarHeader, records: ReadonlyMap<string, Buffer>): TarHeader {
  for (const key of records.keys()) {
    // Sparse formats 0.0 and 0.1, which --sparse has not written since GNU tar 1.15.92.
    if (/^GNU\.sparse\.(offset|numbytes|map|numblocks)$/.test(key)) throw unreadable(`'${key}' is not supported`);
  }
  const number = (key: string, fallback: number) => {
    const value = records.get(key)?.toString('latin1');
    if (value === undefined) return fallback;
    const parsed = /^(-?\d{1,16})(?:\.(\d*))?$/.exec(value);
    if (!parsed) throw unreadable(`'${key}' in an extended header is not a number`);
    // Down to the whole second, and by its digits: as a double 1795474004.999999999 would be the second after it.
    return Number(parsed[1]) - (value.startsWith('-') && /[1-9]/.test(parsed[2] ?? '') ? 1 : 0);
  };
  return {
    ...header,
    path: records.get('GNU.sparse.name') ?? records.get('path') ?? header.path,
    link: records.get('linkpath') ?? header.link,
    sizeBytes: size(number('size', header.sizeBytes)),
    uid: number('uid', header.uid),
    gid: number('gid', header.gid),
    mtimeSeconds: number('mtime', header.mtimeSeconds),
  };
}

export function unreadable(why: string): OpsError {
  return new OpsError('FILES_ARCHIVE', `The archive cannot be read as GNU tar writes it: ${why}`);
}

/** Up to the first NUL. */
export function text(field: Buffer): Buffer {
  const end = field.indexOf(0);
  return Buffer.from(end < 0 ? field : field.subarray(0, end));
}

/** Octal digits, or base 256 (two's complement) when the top bit is set. */
function numeric(field: Buffer): number {
  if (field[0]! & 0x80) {
    let value = field[0]! & 0x40 ? -1n : 0n;
    value = (value << 6n) | BigInt(field[0]! & 0x3f);
    for (const byte of field.subarray(1)) value = (value << 8n) | BigInt(byte);
    return Number(value);
  }
  const digits = text(field).toString('latin1').trim();
  if (!/^[0-7]*$/.test(digits)) throw unreadable('a header has something else where a number belongs');
  return digits === '' ? 0 : Number.parseInt(digits, 8);
}

function size(bytes: number): number {
  if (!Number.isSafeInteger(bytes) || bytes < 0) throw unreadable(`a member of ${bytes} bytes`);
  return bytes;
}

/** The sum of all bytes, those of the checksum itself as blanks. */
function checksum(block: Buffer): number {
  let sum = 0;
  for (let i = 0; i < blockBytes; i++) sum += i >= 148 && i < 156 ? 0x20 : block[i]!;
  return sum;
}
