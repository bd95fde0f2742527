import type { ManifestAsset, ManifestVariant } from './schema.ts';

export interface PictureOptions {
  alt?: string;
  sizes?: string;
  class?: string;
  /** Default: lazy. The largest picture of the first screen is better `eager`. */
  loading?: 'lazy' | 'eager';
}

/** Smaller formats first: a browser takes the first `<source>` that it can show. */
const order = ['avif', 'webp', 'jpeg', 'png'] as const;

/** By media type, the best first: the srcset attribute, not escaped. */
export function srcsetsOf(variants: readonly ManifestVariant[]): Record<string, string> {
  const groups = Map.groupBy(variants, ({ type }) => type);
  const formatOf = (list: readonly ManifestVariant[]) => order.indexOf(list[0]!.format);
  return Object.fromEntries(
    [...groups]
      .sort(([, a], [, b]) => formatOf(a) - formatOf(b))
      .map(([type, list]) => [
        type,
        [...list]
          .sort((a, b) => a.width - b.width)
          .map(({ path, width }) => `${path} ${width}w`)
          .join(', '),
      ]),
  );
}

/**
 * `<picture>` with a `<source>` for each format, and the file itself for a browser that knows none of them. Width and height
 * keep the place free while it loads. Every value is escaped.
 */
export function pictureOf(
  asset: Pick<ManifestAsset, 'path' | 'type' | 'width' | 'height' | 'variants'>,
  { alt = '', sizes = '100vw', class: name, loading = 'lazy' }: PictureOptions = {},
): string {
  const { [asset.type]: own, ...others } = srcsetsOf(asset.variants);
  const sources = Object.entries(others).map(([type, srcset]) => `<source${attributes({ type, srcset, sizes })}>`);
  const image = attributes({
    src: asset.path,
    ...(own && { srcset: own, sizes }),
    ...(asset.width && { width: String(asset.width) }),
    ...(asset.height && { height: String(asset.height) }),
    alt,
    ...(name && { class: name }),
    loading,
    decoding: 'async',
  });
  return `<picture>${sources.join('')}<img${image}></picture>`;
}

function attributes(of: Record<string, string>): string {
  return Object.entries(of)
    .map(([name, value]) => ` ${name}="${escapeAttribute(value)}"`)
    .join('');
}

function escapeAttribute(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
