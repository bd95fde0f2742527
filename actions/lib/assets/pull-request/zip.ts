import { crc32, inflateRawSync } from 'node:zlib';

/** Why an archive is not read. */
export class ZipError extends Error {}

/**
 * One file of a ZIP archive, by its exact name, in memory: nothing is unpacked, so that no name in it can lead anywhere.
 * As APPNOTE 6.3 describes it, without encryption, ZIP64 and more than one part.
 *
 * @param mostBytes of the file, unpacked
 * @returns undefined when no file is called so
 * @throws ZipError for what is no whole archive, or holds the file twice or larger than that
 */
export function readZipEntry(zip: Buffer, name: string, mostBytes: number): Buffer | undefined {
  try {
    const found = directoryOf(zip).filter(entry => entry.name === name);
    if (found.length > 1) throw new ZipError(`holds ${name} ${found.length} times`);
    return found[0] && contentOf(zip, found[0], mostBytes);
  } catch (error) {
    if (error instanceof ZipError) throw error;
    // Reads beyond the end, and what zlib says of damaged bytes.
    throw new ZipError('is damaged');
  }
}

interface Entry {
  name: string;
  isEncrypted: boolean;
  method: number;
  crc: number;
  packedBytes: number;
  bytes: number;
  offset: number;
}

const [endSignature, entrySignature, fileSignature] = [0x06054b50, 0x02014b50, 0x04034b50];

function directoryOf(zip: Buffer): Entry[] {
  const end = endOf(zip);
  const count = zip.readUInt16LE(end + 10);
  let at = zip.readUInt32LE(end + 16);
  const entries: Entry[] = [];
  for (let index = 0; index < count; index++) {
    if (zip.readUInt32LE(at) !== entrySignature) throw new ZipError('is damaged');
    const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map(field => zip.readUInt16LE(at + field));
    entries.push({
      name: zip.toString('utf8', at + 46, at + 46 + nameBytes!),
      isEncrypted: (zip.readUInt16LE(at + 8) & 1) === 1,
      method: zip.readUInt16LE(at + 10),
      crc: zip.readUInt32LE(at + 16),
      packedBytes: zip.readUInt32LE(at + 20),
      bytes: zip.readUInt32LE(at + 24),
      offset: zip.readUInt32LE(at + 42),
    });
    at += 46 + nameBytes! + extraBytes! + commentBytes!;
  }
  return entries;
}

/** The end record is the last thing in the archive, before a comment of at most 65,535 bytes. */
function endOf(zip: Buffer): number {
  for (let at = zip.length - 22; at >= Math.max(0, zip.length - 22 - 0xffff); at--) {
    if (zip.readUInt32LE(at) === endSignature && at + 22 + zip.readUInt16LE(at + 20) === zip.length) return at;
  }
  throw new ZipError('is no ZIP archive');
}

function contentOf(zip: Buffer, { isEncrypted, method, crc, packedBytes, bytes, offset }: Entry, most: number): Buffer {
  if (isEncrypted) throw new ZipError('is encrypted');
  if (bytes > most) throw new ZipError(`holds a file of ${bytes} bytes, and more than ${most} are not read`);
  if (zip.readUInt32LE(offset) !== fileSignature) throw new ZipError('is damaged');
  const start = offset + 30 + zip.readUInt16LE(offset + 26) + zip.readUInt16LE(offset + 28);
  const packed = zip.subarray(start, start + packedBytes);
  if (method !== 0 && method !== 8) throw new ZipError('is packed in a way that is not read');
  // What the archive says of its size may be a lie: more than that is not unpacked.
  const content = method === 0 ? packed : inflateRawSync(packed, { maxOutputLength: Math.max(1, bytes) });
  if (content.length !== bytes || crc32(content) !== crc) throw new ZipError('is damaged');
  return content;
}
