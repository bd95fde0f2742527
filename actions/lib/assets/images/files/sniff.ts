import type { ImageFormat } from '../outcome.ts';

/** What the first bytes say a file is. `other` is a known format that is not for the web, by name. */
export type Sniffed = { kind: 'image'; format: ImageFormat } | { kind: 'other'; name: string } | { kind: 'unknown' };

/** Decided by content, never by name. */
export function sniff(bytes: Uint8Array): Sniffed {
  const ascii = (start: number, end: number) => String.fromCharCode(...bytes.subarray(start, end));
  const isImage = (format: ImageFormat): Sniffed => ({ kind: 'image', format });
  const isOther = (name: string): Sniffed => ({ kind: 'other', name });
  if (startsWith(bytes, [0xff, 0xd8, 0xff])) return isImage('jpeg');
  if (startsWith(bytes, [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])) return isImage('png');
  if (/^GIF8[79]a$/.test(ascii(0, 6))) return isImage('gif');
  if (ascii(0, 4) === 'RIFF' && ascii(8, 12) === 'WEBP') return isImage('webp');
  if (ascii(4, 8) === 'ftyp') {
    const brands = brandsOf(bytes);
    if (brands.includes('avif') || brands.includes('avis')) return isImage('avif');
    if (brands.some(brand => /^(hei[cxms]|hev[cxms]|mif1|msf1)$/.test(brand))) return isOther('HEIC');
    return isOther('video or another ISO media file');
  }
  if (startsWith(bytes, [0x49, 0x49, 0x2a, 0x00]) || startsWith(bytes, [0x4d, 0x4d, 0x00, 0x2a]))
    return isOther('TIFF');
  if (ascii(0, 2) === 'BM') return isOther('BMP');
  if (startsWith(bytes, [0x00, 0x00, 0x01, 0x00])) return isOther('ICO');
  if (ascii(0, 5) === '%PDF-') return isOther('PDF');
  if (startsWith(bytes, [0xff, 0x0a]) || ascii(4, 8) === 'JXL ') return isOther('JPEG XL');
  if (/^(?:\uFEFF)?\s*<(?:\?xml|!--|!DOCTYPE\s+svg|svg)/i.test(head(bytes)) && /<svg[\s>]/i.test(head(bytes))) {
    return isImage('svg');
  }
  if (/^(?:\uFEFF)?\s*<!?(?:doctype html|html|head|body)/i.test(head(bytes))) return isOther('HTML');
  return { kind: 'unknown' };
}

const formatOfSuffix: Record<string, ImageFormat> = {
  jpg: 'jpeg',
  jpeg: 'jpeg',
  jpe: 'jpeg',
  jfif: 'jpeg',
  png: 'png',
  gif: 'gif',
  webp: 'webp',
  avif: 'avif',
  svg: 'svg',
};

/** What a path's suffix promises, in either case. Undefined where it promises no image. */
export function formatByName(path: string): ImageFormat | undefined {
  const suffix = /\.([^./\\]+)$/.exec(path)?.[1]?.toLowerCase();
  return suffix === undefined ? undefined : formatOfSuffix[suffix];
}

export const suffixOf: Record<ImageFormat, string> = {
  jpeg: 'jpg',
  png: 'png',
  gif: 'gif',
  webp: 'webp',
  avif: 'avif',
  svg: 'svg',
};

export const mediaTypeOf: Record<ImageFormat, string> = {
  jpeg: 'image/jpeg',
  png: 'image/png',
  gif: 'image/gif',
  webp: 'image/webp',
  avif: 'image/avif',
  svg: 'image/svg+xml',
};

function brandsOf(bytes: Uint8Array): string[] {
  const size = Math.min(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(0), 256);
  const brands: string[] = [];
  for (let at = 8; at + 4 <= Math.min(size, bytes.length); at += 4) {
    if (at !== 12) brands.push(String.fromCharCode(...bytes.subarray(at, at + 4)));
  }
  return brands;
}

function head(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes.subarray(0, 4096));
}

function startsWith(bytes: Uint8Array, prefix: readonly number[]): boolean {
  return prefix.every((byte, index) => bytes[index] === byte);
}
