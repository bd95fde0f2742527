import { encodedName, outputName, variantName } from '../names.ts';
import { bytesAfter, type FileResult } from '../result.ts';
import { suffixOf } from '../text/index.ts';
import { byBytes } from '../tree/index.ts';
import { pictureOf, srcsetsOf } from './markup.ts';
import { type Manifest, type ManifestAsset, type ManifestVariant, manifestSchemaName } from './schema.ts';

export interface ManifestOptions {
  publicPath: string;
  hashedNames: boolean;
  sizes: string;
  /** The widest variant that is made. */
  maxWidth: number;
}

/** The same of the same results: no time, no order of work is in it. */
export function buildManifest(results: readonly FileResult[], options: ManifestOptions): Manifest {
  const assets = results
    .filter(result => result.sha256 !== null)
    .sort((a, b) => byBytes(a.path, b.path))
    .map(result => assetOf(result, options));
  return { schema: manifestSchemaName, publicPath: options.publicPath, assets };
}

function assetOf(result: FileResult, { publicPath, hashedNames, sizes, maxWidth }: ManifestOptions): ManifestAsset {
  const sha256 = result.after?.sha256 ?? result.sha256!;
  const name = outputName(result.path, sha256, hashedNames);
  const address = (path: string) => addressOf(publicPath, path);
  const asset: ManifestAsset = {
    source: result.path,
    path: address(name),
    type: mediaTypes[suffixOf(result.path)] ?? 'application/octet-stream',
    bytes: bytesAfter(result),
    sha256,
    ...(result.image && { width: result.image.width, height: result.image.height }),
    variants: result.variants.map(variant => ({
      path: address(variantName(result.path, variant, hashedNames)),
      format: variant.format,
      type: mediaTypes[variant.format]!,
      width: variant.width,
      height: variant.height,
      bytes: variant.bytes,
      sha256: variant.sha256,
      score: variant.score,
    })),
    encodings: result.encodings.map(({ encoding, ...of }) => ({
      encoding,
      path: address(encodedName(name, encoding)),
      ...of,
    })),
  };
  if (result.type !== 'image') return asset;
  asset.variants.push(...ownWidest(asset, maxWidth));
  return { ...asset, srcset: srcsetsOf(asset.variants), picture: pictureOf(asset, { sizes }) };
}

/**
 * The file itself, where it is the widest of its own format: a browser that is offered narrower ones shows no other, and
 * would blow them up.
 */
function ownWidest({ width, height, variants, ...asset }: ManifestAsset, maxWidth: number): ManifestVariant[] {
  const { path, type, bytes, sha256 } = asset;
  const own = variants.filter(variant => variant.type === type);
  if (!width || !height || own.length === 0) return [];
  if (own.some(variant => variant.width >= Math.min(width, maxWidth))) return [];
  return [{ path, format: own[0]!.format, type, width, height, bytes, sha256, score: null }];
}

/** Each part of the path encoded: a comma or a space would end an address inside srcset. */
function addressOf(publicPath: string, path: string): string {
  const base = publicPath.endsWith('/') ? publicPath : `${publicPath}/`;
  return base + path.split('/').map(encodeURIComponent).join('/');
}

const mediaTypes: Readonly<Record<string, string>> = {
  avif: 'image/avif',
  cjs: 'text/javascript',
  css: 'text/css',
  csv: 'text/csv',
  geojson: 'application/geo+json',
  gif: 'image/gif',
  htm: 'text/html',
  html: 'text/html',
  ico: 'image/vnd.microsoft.icon',
  jfif: 'image/jpeg',
  jpe: 'image/jpeg',
  jpeg: 'image/jpeg',
  jpg: 'image/jpeg',
  js: 'text/javascript',
  json: 'application/json',
  map: 'application/json',
  mjs: 'text/javascript',
  otf: 'font/otf',
  png: 'image/png',
  svg: 'image/svg+xml',
  ttf: 'font/ttf',
  txt: 'text/plain',
  wasm: 'application/wasm',
  webmanifest: 'application/manifest+json',
  webp: 'image/webp',
  woff: 'font/woff',
  woff2: 'font/woff2',
  xml: 'application/xml',
};
