import type { AssetsConfig, ImageSettings } from '../config/index.ts';
import { imageToolVersion } from './images/index.ts';
import type { FileType } from './result.ts';
import { sha256Of } from './sha256.ts';
import { suffixOf, textKindOf, textToolVersion } from './text/index.ts';

export type Mode = 'check' | 'optimize';

/** What a run makes of files, from the configuration. */
export interface AssetSettings {
  images: ImageSettings;
  keepNames: boolean;
  /** Null where nothing is compressed beforehand. */
  precompress: AssetsConfig['precompress'] | null;
}

/** A check asks only whether each file could be smaller as it is: variants and compressed files are for who writes them. */
export function settingsFor(mode: Mode, config: AssetsConfig): AssetSettings {
  const { images, text, precompress } = config;
  return mode === 'optimize'
    ? { images, keepNames: text.keepNames, precompress: precompress.encodings.length > 0 ? precompress : null }
    : { images: { ...images, formats: [], widths: [], inPlace: true }, keepNames: text.keepNames, precompress: null };
}

/** All that makes another result of the same file: settings, versions of the tools, and of the shape of the result. */
export function cacheKey(type: FileType, { images, ...text }: AssetSettings): string {
  const of = type === 'image' ? [imageToolVersion, images] : [textToolVersion, text];
  return sha256Of(JSON.stringify([resultVersion, ...of])).slice(0, 16);
}

const resultVersion = 1;

const imageSuffixes = new Set(['avif', 'gif', 'jpeg', 'jpg', 'jpe', 'jfif', 'png', 'webp']);

export function typeOf(path: string): FileType {
  if (imageSuffixes.has(suffixOf(path))) return 'image';
  return textKindOf(path) ?? 'other';
}
