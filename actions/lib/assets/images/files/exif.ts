/** What the policy on metadata asks of EXIF: whose picture it is, where it was taken, and which way up it is. */
export interface ExifFacts {
  orientation: number | undefined;
  copyright: string | undefined;
  artist: string | undefined;
  hasLocation: boolean;
}

const tags = { orientation: 0x0112, artist: 0x013b, copyright: 0x8298, gps: 0x8825 } as const;
const asciiType = 2;
const shortType = 3;
const entryBytes = 12;
const typeBytes = [0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8];

/**
 * Reads the first directory of a TIFF block. Cameras write broken ones: whatever cannot be read counts as absent.
 * @param block with or without the `Exif\0\0` before it
 */
export function readExif(block: Uint8Array): ExifFacts {
  const facts: ExifFacts = { orientation: undefined, copyright: undefined, artist: undefined, hasLocation: false };
  for (const { tag, text, short } of entriesOf(tiffOf(block))) {
    if (tag === tags.orientation && short >= 1 && short <= 8) facts.orientation = short;
    if (tag === tags.copyright) facts.copyright = text;
    if (tag === tags.artist) facts.artist = text;
    if (tag === tags.gps) facts.hasLocation = true;
  }
  return facts;
}

/** The same block with this orientation and, at `strip`, without the place: of the same length, so that offsets hold. */
export function withoutPlaceAndTurn(block: Uint8Array, location: 'strip' | 'keep', orientation: number): Uint8Array {
  const copy = Uint8Array.from(block);
  const tiff = tiffOf(copy);
  for (const { tag, at, view, isLittle } of entriesOf(tiff)) {
    if (tag === tags.orientation) view.setUint16(at + 8, orientation, isLittle);
    if (tag !== tags.gps || location === 'keep') continue;
    eraseDirectory(view, view.getUint32(at + 8, isLittle), isLittle);
    // An entry of no values, whose tag stands for nothing: readers skip it.
    view.setUint16(at, 0xea1c, isLittle);
    view.setUint16(at + 2, 1, isLittle);
    view.setUint32(at + 4, 0, isLittle);
    view.setUint32(at + 8, 0, isLittle);
  }
  return copy;
}

export interface SmallExif {
  copyright: string | undefined;
  artist: string | undefined;
  /** 1, upright, goes without saying. */
  orientation: number;
}

/** A block that says only whose picture it is and which way up, with its `Exif\0\0`. Undefined where there is nothing to say. */
export function smallExif({ copyright, artist, orientation }: SmallExif): Uint8Array | undefined {
  const texts = [
    { tag: tags.artist, text: artist },
    { tag: tags.copyright, text: copyright },
  ].flatMap(({ tag, text }) => (text === undefined ? [] : [{ tag, type: asciiType, bytes: textBytes(text) }]));
  const turn = { tag: tags.orientation, type: shortType, bytes: Uint8Array.of(orientation, 0) };
  // In the order of their tags, as readers expect.
  const entries = [...(orientation === 1 ? [] : [turn]), ...texts];
  if (entries.length === 0) return undefined;
  const directoryEnd = 8 + 2 + entries.length * entryBytes + 4;
  const outside = entries.map(({ bytes }) => (bytes.length > 4 ? bytes.length + (bytes.length % 2) : 0));
  const block = new Uint8Array(directoryEnd + outside.reduce((sum, length) => sum + length, 0));
  const view = new DataView(block.buffer);
  block.set([0x49, 0x49, 0x2a, 0x00]);
  view.setUint32(4, 8, true);
  view.setUint16(8, entries.length, true);
  let data = directoryEnd;
  for (const [index, { tag, type, bytes }] of entries.entries()) {
    const at = 10 + index * entryBytes;
    view.setUint16(at, tag, true);
    view.setUint16(at + 2, type, true);
    view.setUint32(at + 4, bytes.length / typeBytes[type]!, true);
    if (bytes.length > 4) view.setUint32(at + 8, data, true);
    block.set(bytes, bytes.length > 4 ? data : at + 8);
    data += outside[index]!;
  }
  return Uint8Array.from([...exifHeader, ...block]);
}

function textBytes(text: string): Uint8Array {
  return new TextEncoder().encode(`${text}\0`);
}

export const exifHeader = [0x45, 0x78, 0x69, 0x66, 0x00, 0x00] as const;

interface Entry {
  tag: number;
  /** Offset of the entry in `view`. */
  at: number;
  view: DataView;
  isLittle: boolean;
  text: string | undefined;
  short: number;
}

function tiffOf(block: Uint8Array): Uint8Array {
  const hasHeader = exifHeader.every((byte, index) => block[index] === byte);
  return hasHeader ? block.subarray(exifHeader.length) : block;
}

function entriesOf(tiff: Uint8Array): Entry[] {
  const order = String.fromCharCode(tiff[0] ?? 0, tiff[1] ?? 0);
  if ((order !== 'II' && order !== 'MM') || tiff.length < 14) return [];
  const isLittle = order === 'II';
  const view = new DataView(tiff.buffer, tiff.byteOffset, tiff.byteLength);
  return entriesAt(view, view.getUint32(4, isLittle), isLittle);
}

function entriesAt(view: DataView, directory: number, isLittle: boolean): Entry[] {
  if (directory + 2 > view.byteLength) return [];
  const count = view.getUint16(directory, isLittle);
  const entries: Entry[] = [];
  for (let index = 0; index < count; index++) {
    const at = directory + 2 + index * entryBytes;
    if (at + entryBytes > view.byteLength) break;
    entries.push({
      tag: view.getUint16(at, isLittle),
      at,
      view,
      isLittle,
      text: textAt(view, at, isLittle),
      short: view.getUint16(at + 8, isLittle),
    });
  }
  return entries;
}

function textAt(view: DataView, at: number, isLittle: boolean): string | undefined {
  if (view.getUint16(at + 2, isLittle) !== asciiType) return undefined;
  const length = view.getUint32(at + 4, isLittle);
  const start = length <= 4 ? at + 8 : view.getUint32(at + 8, isLittle);
  if (length === 0 || start + length > view.byteLength) return undefined;
  const bytes = new Uint8Array(view.buffer, view.byteOffset + start, length);
  const text = new TextDecoder().decode(bytes).replace(/\0.*$/s, '').trim();
  return text === '' ? undefined : text;
}

/** Zeroes a directory and what its entries point to. */
function eraseDirectory(view: DataView, directory: number, isLittle: boolean): void {
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  const entries = entriesAt(view, directory, isLittle);
  for (const { at } of entries) {
    const size = (typeBytes[view.getUint16(at + 2, isLittle)] ?? 1) * view.getUint32(at + 4, isLittle);
    const start = view.getUint32(at + 8, isLittle);
    if (size > 4 && start + size <= bytes.length) bytes.fill(0, start, start + size);
  }
  if (entries.length > 0) bytes.fill(0, directory, directory + 2 + entries.length * entryBytes);
}
