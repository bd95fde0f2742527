/**
 * Whether the colours of a file are told by numbers in its container, and are not those of sRGB: HDR, wide gamut without a
 * profile, another gamma. libvips reads pixels and profiles only, so that whatever it writes would show other colours.
 */
export function hasColoursOfItsOwn(format: string, bytes: Uint8Array, hasProfile: boolean): boolean {
  if (format === 'png') return isPngOfOwnColours(bytes);
  return format === 'avif' && !hasProfile && isAvifOfOwnColours(bytes);
}

/** PNG, third edition, 4.3: the first of cICP, iCCP, sRGB, and gAMA with cHRM is the one that counts. */
function isPngOfOwnColours(bytes: Uint8Array): boolean {
  const chunks = chunksBeforePixels(bytes);
  const codePoints = chunks.get('cICP');
  // A profile beside them is read and kept, and was not the one that counts.
  if (codePoints) return chunks.has('iCCP') || !isLikeSrgb(codePoints[0] ?? 0, codePoints[1] ?? 0);
  const gamma = chunks.get('gAMA');
  if (chunks.has('iCCP') || chunks.has('sRGB') || gamma?.length !== 4) return false;
  const chromaticities = chunks.get('cHRM');
  return !isNearSrgbGamma(numberAt(gamma, 0)) || (chromaticities?.length === 32 && !areSrgb(chromaticities));
}

function chunksBeforePixels(bytes: Uint8Array): Map<string, Uint8Array> {
  const chunks = new Map<string, Uint8Array>();
  for (let at = 8; at + 12 <= bytes.length; ) {
    const length = numberAt(bytes, at);
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (type === 'IDAT' || type === 'IEND') break;
    chunks.set(type, bytes.subarray(at + 8, at + 8 + length));
    at += 12 + length;
  }
  return chunks;
}

/** Of 100,000; 0 means nothing. Decoders do not correct less than 5 % (libpng, PNG_GAMMA_THRESHOLD). */
function isNearSrgbGamma(gamma: number): boolean {
  return gamma === 0 || Math.abs(gamma / 45_455 - 1) < 0.05;
}

/** White, red, green, blue, each x and y, of 100,000. */
const srgbChromaticities = [31_270, 32_900, 64_000, 33_000, 30_000, 60_000, 15_000, 6000];

function areSrgb(body: Uint8Array): boolean {
  return srgbChromaticities.every((value, index) => Math.abs(numberAt(body, index * 4) - value) < 1000);
}

/** `colr` of the kind `nclx` (ISO/IEC 14496-12, 12.1.5), which stands before the pixels. */
function isAvifOfOwnColours(bytes: Uint8Array): boolean {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 65_536));
  const at = head.indexOf('colrnclx', 0, 'latin1');
  if (at < 0 || at + 12 > head.length) return false;
  return !isLikeSrgb(head.readUInt16BE(at + 8), head.readUInt16BE(at + 10));
}

/**
 * Primaries and transfer function of ITU-T H.273. Those of BT.709 and BT.601 are shown as sRGB by every browser; 2 says
 * that nothing is said.
 */
function isLikeSrgb(primaries: number, transfer: number): boolean {
  return [1, 2, 5, 6, 7].includes(primaries) && [1, 2, 6, 13, 14, 15].includes(transfer);
}

function numberAt(bytes: Uint8Array, at: number): number {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).readUInt32BE(at);
}
