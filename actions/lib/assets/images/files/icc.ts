import type { ColourProfile } from '../outcome.ts';

/** XYZ (D50) of sRGB's primaries, as profiles store them. */
const srgbPrimaries = [
  [0.4361, 0.2225, 0.0139],
  [0.3851, 0.7169, 0.0971],
  [0.1431, 0.0606, 0.7142],
] as const;
const primaryTolerance = 0.003;
/** Of the encoded range: half of one step of 8 bits and a little for curves stored in 16. */
const curveTolerance = 0.004;

/**
 * What a profile means for the pixels. `srgb`: leaving it out changes no colour. `wide`: RGB that reaches colours sRGB does
 * not. `other`: anything else, CMYK, grey and what is described by tables.
 */
export function classifyProfile(profile: Uint8Array | undefined): ColourProfile {
  if (profile === undefined) return 'none';
  const view = new DataView(profile.buffer, profile.byteOffset, profile.byteLength);
  if (profile.length < 132 || textAt(view, 16) !== 'RGB ') return 'other';
  const tags = tagsOf(view);
  const primaries = ['rXYZ', 'gXYZ', 'bXYZ'].map(name => xyzAt(view, tags.get(name)));
  const curves = ['rTRC', 'gTRC', 'bTRC'].map(name => curveAt(view, tags.get(name)));
  if (tags.has('A2B0') || primaries.includes(undefined) || curves.includes(undefined)) return 'other';
  const isSrgbSpace = primaries.every((xyz, index) =>
    xyz!.every((value, axis) => Math.abs(value - srgbPrimaries[index]![axis]!) < primaryTolerance),
  );
  const isSrgbCurve = curves.every(curve => samples.every(x => Math.abs(curve!(x) - srgbLight(x)) < curveTolerance));
  return isSrgbSpace && isSrgbCurve ? 'srgb' : isSrgbSpace ? 'other' : 'wide';
}

const samples = Array.from({ length: 33 }, (_, index) => index / 32);

function srgbLight(x: number): number {
  return x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4;
}

interface Tag {
  offset: number;
  size: number;
}

function tagsOf(view: DataView): Map<string, Tag> {
  const tags = new Map<string, Tag>();
  const count = Math.min(view.getUint32(128), 100);
  for (let index = 0; index < count; index++) {
    const at = 132 + index * 12;
    if (at + 12 > view.byteLength) break;
    const tag = { offset: view.getUint32(at + 4), size: view.getUint32(at + 8) };
    if (tag.offset + tag.size <= view.byteLength) tags.set(textAt(view, at), tag);
  }
  return tags;
}

function xyzAt(view: DataView, tag: Tag | undefined): [number, number, number] | undefined {
  if (tag === undefined || tag.size < 20 || textAt(view, tag.offset) !== 'XYZ ') return undefined;
  return [fixed(view, tag.offset + 8), fixed(view, tag.offset + 12), fixed(view, tag.offset + 16)];
}

/** From the encoded value to light, both 0 to 1. */
function curveAt(view: DataView, tag: Tag | undefined): ((x: number) => number) | undefined {
  if (tag === undefined || tag.size < 12) return undefined;
  const type = textAt(view, tag.offset);
  if (type === 'curv') return tableCurve(view, tag);
  if (type === 'para') return parametricCurve(view, tag);
  return undefined;
}

function tableCurve(view: DataView, { offset, size }: Tag): ((x: number) => number) | undefined {
  const count = view.getUint32(offset + 8);
  if (count === 0) return x => x;
  if (12 + count * 2 > size) return undefined;
  const value = (index: number) => view.getUint16(offset + 12 + index * 2);
  if (count === 1) {
    const gamma = value(0) / 256;
    return x => x ** gamma;
  }
  return x => {
    const position = x * (count - 1);
    const low = Math.min(Math.floor(position), count - 2);
    const part = position - low;
    return (value(low) * (1 - part) + value(low + 1) * part) / 65_535;
  };
}

/** ICC.1:2022, 10.18. */
function parametricCurve(view: DataView, { offset, size }: Tag): ((x: number) => number) | undefined {
  const kind = view.getUint16(offset + 8);
  const length = [1, 3, 4, 5, 7][kind];
  if (length === undefined || 12 + length * 4 > size) return undefined;
  const parameters = Array.from({ length }, (_, index) => fixed(view, offset + 12 + index * 4));
  const [g = 1, a = 1, b = 0, c = 0, d = 0, e = 0, f = 0] = parameters;
  switch (kind) {
    case 0:
      return x => x ** g;
    case 1:
      return x => (x >= -b / a ? (a * x + b) ** g : 0);
    case 2:
      return x => (x >= -b / a ? (a * x + b) ** g + c : c);
    default:
      return x => (x >= d ? (a * x + b) ** g + e : c * x + f);
  }
}

function fixed(view: DataView, at: number): number {
  return view.getInt32(at) / 65_536;
}

function textAt(view: DataView, at: number): string {
  return String.fromCharCode(view.getUint8(at), view.getUint8(at + 1), view.getUint8(at + 2), view.getUint8(at + 3));
}
