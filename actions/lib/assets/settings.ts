import type { AssetsConfig, ImageSettings } from '../config/index.ts';
import { formatByName, imageToolVersion } from './images/index.ts';
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

/**
 * All that makes another result of the same bytes: settings, versions of the tools and of the shape of the result, and what
 * the name says that they are. A module is not minified as a script is, and an image is wrong under another suffix.
 */
export function cacheKey(path: string, { images, ...text }: AssetSettings): string {
  const of =
    typeOf(path) === 'image' ? [imageToolVersion, images, formatByName(path)] : [textToolVersion, text, suffixOf(path)];
  return keyOf(of);
}

/** Of a whole run: results of two runs go together where it is the same. */
export function settingsKey(settings: AssetSettings): string {
  return keyOf([imageToolVersion, textToolVersion, settings]);
}

function keyOf(parts: readonly unknown[]): string {
  return sha256Of(JSON.stringify([resultVersion, ...parts])).slice(0, 16);
}

const resultVersion = 2;

const imageSuffixes = new Set(['avif', 'gif', 'jpeg', 'jpg', 'jpe', 'jfif', 'png', 'webp']);

export function typeOf(path: string): FileType {
  if (imageSuffixes.has(suffixOf(path))) return 'image';
  return textKindOf(path) ?? 'other';
}
