/** Frames an animated PNG announces (`acTL` before the first `IDAT`); 1 for a still one. */
export function pngFrames(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 8; at + 12 <= bytes.length; ) {
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (type === 'acTL' && at + 12 <= bytes.length) return Math.max(1, view.getUint32(at + 8));
    if (type === 'IDAT' || type === 'IEND') return 1;
    at += 12 + view.getUint32(at);
  }
  return 1;
}

/** An AVIF that is a sequence says so in its major brand or among the compatible ones. */
export function isAvifSequence(bytes: Uint8Array): boolean {
  const size = Math.min(bytes.length, 256, Buffer.from(bytes.subarray(0, 4)).readUInt32BE());
  return Buffer.from(bytes.subarray(8, size)).toString('latin1').includes('avis');
}

/**
 * Whether a GIF ends where a block ends. Decoders show what there is of a truncated one without a word, so that re-encoding
 * it would lose frames for good. A missing trailer alone is common and harmless.
 */
export function isWholeGif(bytes: Uint8Array): boolean {
  const tableBytes = (flags: number) => (flags & 0x80 ? 3 << ((flags & 0x07) + 1) : 0);
  let at = 13 + tableBytes(bytes[10] ?? 0);
  while (at < bytes.length) {
    const introducer = bytes[at]!;
    if (introducer === 0x3b) return true;
    if (introducer === 0x21) at += 2;
    else if (introducer === 0x2c) at += 10 + tableBytes(bytes[at + 9] ?? 0) + 1;
    else return false;
    while (at < bytes.length && bytes[at] !== 0) at += bytes[at]! + 1;
    if (at >= bytes.length) return false;
    at++;
  }
  return at === bytes.length;
}
