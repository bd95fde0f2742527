import type { TextKind } from './outcome.ts';

const kinds: Readonly<Record<string, TextKind>> = {
  js: 'javascript',
  mjs: 'javascript',
  cjs: 'javascript',
  css: 'css',
  html: 'html',
  htm: 'html',
  svg: 'svg',
  json: 'json',
  geojson: 'json',
  webmanifest: 'json',
};

/** By the suffix, in whatever case; undefined for a file that no minifier here is for. */
export function textKindOf(path: string): TextKind | undefined {
  return kinds[suffixOf(path)];
}

/** Beside those that have a kind: what compresses well and is served as it is. */
const compressible = new Set(['txt', 'xml', 'map', 'wasm', 'ttf', 'otf', 'eot', 'ico', 'md', 'csv', 'rss', 'atom']);

/** Whether a server is likely to send it compressed. Fonts in WOFF and photographs are compressed already. */
export function isCompressible(path: string): boolean {
  return textKindOf(path) !== undefined || compressible.has(suffixOf(path));
}

export function suffixOf(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const dot = name.lastIndexOf('.');
  return dot <= 0 ? '' : name.slice(dot + 1).toLowerCase();
}
