import type { VariantFormat } from '../../config/index.ts';

export type ImageFormat = 'jpeg' | 'png' | 'gif' | 'webp' | 'avif' | 'svg';

/** What is known of an image without decoding its pixels. Width and height are as it is seen, its orientation applied. */
export interface ImageFacts {
  format: ImageFormat;
  mediaType: string;
  bytes: number;
  width: number;
  height: number;
  /** More than 1: it moves. */
  frames: number;
  /** 0: for ever. Undefined where it does not move. */
  loop: number | undefined;
  /** Milliseconds each frame stays. Undefined where it does not move. */
  delays: readonly number[] | undefined;
  hasAlpha: boolean;
  bitsPerChannel: 8 | 16;
  colours: 'rgb' | 'grey' | 'cmyk';
  hasPalette: boolean;
  /** EXIF orientation, 1 to 8. */
  orientation: number;
  profile: ColourProfile;
  /** HDR, or another gamut or gamma, told by the container and by no profile. */
  hasColoursOfItsOwn: boolean;
  hasGainMap: boolean;
  hasLocation: boolean;
  copyright: string | undefined;
  artist: string | undefined;
  /** Estimated from its quantisation tables, 1 to 100. Undefined where it is not JPEG. */
  jpegQuality: number | undefined;
  /** WebP without loss, PNG and GIF are; JPEG is not. Undefined where the file does not tell (AVIF). */
  isLossless: boolean | undefined;
  /** This tool wrote it: it is at its target already, and a further pass would only wear it down. */
  isOptimised: boolean;
}

/** `srgb` also stands for none and for any profile that means sRGB; `wide` and `other` are kept with the pixels. */
export type ColourProfile = 'srgb' | 'wide' | 'other' | 'none';

/** A file at its target. `bytes` is what to write, or what stands for it. */
export interface InPlace<Bytes = Buffer> {
  bytes: Bytes;
  /** SSIMULACRA2 against the original; 100 where no pixel changed. */
  score: number;
  /** Undefined where no pixel changed. */
  quality: number | undefined;
  encodes: number;
}

export interface ImageVariant<Bytes = Buffer> {
  format: VariantFormat;
  width: number;
  height: number;
  frames: number;
  bytes: Bytes;
  /** SSIMULACRA2 against the original at this width; 100 where no pixel differs. The worst frame of what moves. */
  score: number;
  /** Undefined where it is without loss. */
  quality: number | undefined;
  /** Encodes of the full image that finding it took. */
  encodes: number;
}

export interface ImageDone<Bytes = Buffer> {
  kind: 'done';
  original: ImageFacts;
  /** Undefined: the original stays as it is; a note says why where it is not plain. */
  inPlace?: InPlace<Bytes>;
  /** Only what is smaller than every better alternative of the same width. */
  variants: ImageVariant<Bytes>[];
  /** Whole sentences for the report. */
  notes: string[];
}

/** This file was left alone. Others go on. */
export interface ImageRefused {
  kind: 'refused';
  code: ImageRefusalCode;
  message: string;
  hint: string;
}

export type ImageRefusalCode =
  | 'IMAGE_EMPTY'
  | 'IMAGE_UNREADABLE'
  | 'IMAGE_UNKNOWN_FORMAT'
  | 'IMAGE_WRONG_EXTENSION'
  | 'IMAGE_TOO_MANY_PIXELS'
  | 'IMAGE_TOO_LARGE'
  | 'IMAGE_DAMAGED'
  | 'IMAGE_TIMEOUT';

export type ImageOutcome<Bytes = Buffer> = ImageDone<Bytes> | ImageRefused;
