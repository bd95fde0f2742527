/**
 * The segments before a JPEG's pixels: what they tell, and a file written anew with other ones around the same pixels.
 */
export interface Segment {
  marker: number;
  /** Without marker and length. */
  body: Uint8Array;
}

export interface JpegFile {
  segments: Segment[];
  /** From the first scan to the end: pixels, and whatever is behind them. */
  rest: Uint8Array;
}

export const markers = {
  app0: 0xe0,
  app1: 0xe1,
  app2: 0xe2,
  app13: 0xed,
  app14: 0xee,
  comment: 0xfe,
  progressive: 0xc2,
} as const;
const startOfScan = 0xda;
const quantisationTables = 0xdb;

/** Undefined where the structure is broken before the first scan. */
export function readJpeg(bytes: Uint8Array): JpegFile | undefined {
  const segments: Segment[] = [];
  let at = 2;
  while (at + 4 <= bytes.length) {
    if (bytes[at] !== 0xff) return undefined;
    const marker = bytes[at + 1]!;
    if (marker === 0xff) {
      at++;
      continue;
    }
    if (marker === startOfScan) return { segments, rest: bytes.subarray(at) };
    const length = (bytes[at + 2]! << 8) | bytes[at + 3]!;
    if (length < 2 || at + 2 + length > bytes.length) return undefined;
    segments.push({ marker, body: bytes.subarray(at + 4, at + 2 + length) });
    at += 2 + length;
  }
  return undefined;
}

export function writeJpeg({ segments, rest }: JpegFile): Buffer {
  const parts: Uint8Array[] = [Uint8Array.of(0xff, 0xd8)];
  for (const { marker, body } of segments) {
    const length = body.length + 2;
    parts.push(Uint8Array.of(0xff, marker, length >> 8, length & 0xff), body);
  }
  return Buffer.concat([...parts, rest]);
}

export function isAppSegment({ marker }: Segment): boolean {
  return (marker >= 0xe0 && marker <= 0xef) || marker === markers.comment;
}

export function isExif({ marker, body }: Segment): boolean {
  return marker === markers.app1 && startsWith(body, 'Exif\0\0');
}

export function isXmp({ marker, body }: Segment): boolean {
  return marker === markers.app1 && /^http:\/\/ns\.adobe\.com\/x[am]p\//.test(latin(body.subarray(0, 34)));
}

export function isProfile({ marker, body }: Segment): boolean {
  return marker === markers.app2 && startsWith(body, 'ICC_PROFILE\0');
}

/** Parts of a profile longer than one segment are numbered. */
export function profileSegments(profile: Uint8Array): Segment[] {
  const most = 65_519;
  const count = Math.ceil(profile.length / most);
  return Array.from({ length: count }, (_, index) => ({
    marker: markers.app2,
    body: Uint8Array.from([
      ...Buffer.from('ICC_PROFILE\0', 'latin1'),
      index + 1,
      count,
      ...profile.subarray(index * most, (index + 1) * most),
    ]),
  }));
}

/**
 * A second, HDR rendition rides along: as a secondary image that XMP or ISO 21496-1 describe (Ultra HDR, Adobe) or as
 * Apple's auxiliary image. Re-encoding the first alone would lose it.
 */
export function hasGainMap({ segments }: JpegFile): boolean {
  return segments.some(segment => {
    if (segment.marker !== markers.app1 && segment.marker !== markers.app2) return false;
    const text = latin(segment.body);
    return /hdrgm:Version|HDRGainMap|hdr-gain-map/.test(text) || text.startsWith('urn:iso:std:iso:ts:21496');
  });
}

const baseLuminance = [
  16, 11, 12, 14, 12, 10, 16, 14, 13, 14, 18, 17, 16, 19, 24, 40, 26, 24, 22, 22, 24, 49, 35, 37, 29, 40, 58, 51, 61,
  60, 57, 51, 56, 55, 64, 72, 92, 78, 64, 68, 87, 69, 55, 56, 80, 109, 81, 87, 95, 98, 103, 104, 103, 62, 77, 113, 121,
  112, 100, 120, 92, 101, 103, 99,
];

/**
 * The quality of libjpeg's scale whose luminance table divides as strongly as this one on the whole, 1 to 100: for its own
 * tables exact, for those of others a comparison.
 */
export function estimateQuality({ segments }: JpegFile): number | undefined {
  const table = segments.filter(({ marker }) => marker === quantisationTables).flatMap(({ body }) => tablesOf(body))[0];
  if (table === undefined) return undefined;
  // In logarithms: one coarse divisor at a high frequency says little.
  const scale =
    100 * Math.exp(table.reduce((sum, divisor, index) => sum + Math.log(divisor / baseLuminance[index]!), 0) / 64);
  const quality = scale <= 100 ? (200 - scale) / 2 : 5000 / scale;
  return Math.max(1, Math.min(100, Math.round(quality)));
}

function tablesOf(body: Uint8Array): number[][] {
  const tables: number[][] = [];
  let at = 0;
  while (at < body.length) {
    const is16Bit = body[at]! >> 4 === 1;
    const size = is16Bit ? 128 : 64;
    if (at + 1 + size > body.length) break;
    const start = at + 1;
    tables.push(
      Array.from({ length: 64 }, (_, index) =>
        Math.max(1, is16Bit ? (body[start + index * 2]! << 8) | body[start + index * 2 + 1]! : body[start + index]!),
      ),
    );
    at = start + size;
  }
  return tables;
}

const markText = 'production-ops/image/1';

/** In a comment of the file: a later run leaves it alone, so its quality does not wear away. */
export function markSegment(score: number): Segment {
  return {
    marker: markers.comment,
    body: new TextEncoder().encode(`${markText} ssimulacra2=${score.toFixed(1)}`),
  };
}

export function isMark({ marker, body }: Segment): boolean {
  return marker === markers.comment && startsWith(body, markText);
}

function startsWith(body: Uint8Array, text: string): boolean {
  return latin(body.subarray(0, text.length)) === text;
}

function latin(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}
