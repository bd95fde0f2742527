/**
 * URLs of what the CDN serves. Pure functions without a dependency, for servers and browsers alike
 * (`import { createCdnUrls } from 'production-ops/cdn-urls'`).
 */

/** What makes another size or format of an image when it is asked for. */
export type ImageTransform =
  /** Cloudflare Images: `/cdn-cgi/image/width=400,…/photo.jpg`. */
  | 'cloudflare'
  /** A handler behind CloudFront that reads the query, as aws-samples/image-optimization: `?format=webp&width=400`. */
  | 'aws'
  /** Nothing: sizes and formats were made before, and are listed in `variants`. */
  | 'variants'
  /** Nothing at all: the image as it is. */
  | 'none';

export interface CdnZone {
  /** Where the zone is served, e.g. `https://img.example.org` or `https://example.org/static`. */
  url: string;
  transform: ImageTransform;
}

export interface ImageOptions {
  /** In pixels. */
  width?: number;
  /** In pixels. */
  height?: number;
  /** 1 to 100. */
  quality?: number;
  /** `auto`: what the browser says it takes, where the CDN can tell; otherwise WebP. */
  format?: 'auto' | 'avif' | 'webp' | 'jpeg' | 'png';
}

/** A size and format of an image that was made before. */
export interface Variant {
  /** Of the site, e.g. `/photo.400w.webp`. */
  path: string;
  format: string;
  /** In pixels. */
  width: number;
}

export interface CdnUrlsConfig {
  /** By name; `default` is what is meant when none is named. None at all: every URL is the path itself. */
  zones: Readonly<Record<string, CdnZone>>;
  /** By the path of the original on the site. */
  variants?: Readonly<Record<string, readonly Variant[]>>;
}

export interface CdnUrls {
  /** @throws RangeError for a zone that is not configured */
  getCDNUrl(path: string, zone?: string): string;
  /** @throws RangeError for a zone, size or quality that cannot be */
  getOptimizedImageUrl(path: string, options: ImageOptions, zone?: string): string;
  /**
   * `https://…/photo.jpg 400w, https://…/photo.jpg 800w`, or one URL alone where the zone can make no sizes.
   * @throws RangeError as `getOptimizedImageUrl`
   */
  getResponsiveImageSrcSet(path: string, widths: readonly number[], options?: ImageOptions, zone?: string): string;
}

export function createCdnUrls({ zones, variants = {} }: CdnUrlsConfig): CdnUrls {
  const none: CdnZone = { url: '', transform: 'none' };
  const zoneOf = (name: string) => {
    const zone = zones[name] ?? (Object.keys(zones).length === 0 ? none : undefined);
    if (!zone) throw new RangeError(`There is no CDN zone '${name}'`);
    return zone;
  };
  const place = (base: string, path: string) => base.replace(/\/+$/, '') + path;

  const getCDNUrl: CdnUrls['getCDNUrl'] = (path, zone = 'default') => place(zoneOf(zone).url, sitePath(path));

  const getOptimizedImageUrl: CdnUrls['getOptimizedImageUrl'] = (path, options, zone = 'default') => {
    const { url, transform } = zoneOf(zone);
    const at = sitePath(path);
    const { width, height, quality, format } = checked(options);
    if (transform === 'variants') return place(url, variantOf(at, variants[at] ?? [], options).path);
    if (transform === 'aws') {
      const query = Object.entries({ format, width, height, quality }).flatMap(([key, value]) =>
        value === undefined ? [] : `${key}=${value}`,
      );
      return place(url, at) + (query.length > 0 ? (at.includes('?') ? '&' : '?') + query.join('&') : '');
    }
    if (transform === 'cloudflare') {
      // Above 1200 px Cloudflare makes no AVIF (developers.cloudflare.com/images): it would answer with an error.
      const made = format === 'avif' && (width ?? 0) > 1200 ? 'auto' : (format ?? 'auto');
      const wanted = Object.entries({ width, height, quality }).flatMap(([key, value]) =>
        value === undefined ? [] : `${key}=${value}`,
      );
      wanted.push(`format=${made}`, 'fit=scale-down', 'onerror=redirect');
      const [, host = '', folder = ''] = /^([a-z]+:\/\/[^/]+)?(.*)$/i.exec(place(url, at)) ?? [];
      return `${host}/cdn-cgi/image/${wanted.join(',')}${folder}`;
    }
    return place(url, at);
  };

  return {
    getCDNUrl,
    getOptimizedImageUrl,
    getResponsiveImageSrcSet(path, widths, options = {}, zone = 'default') {
      const { transform } = zoneOf(zone);
      if (transform === 'none') return getCDNUrl(path, zone);
      const at = sitePath(path);
      const sizes = new Map<string, number>();
      for (const width of [...new Set(widths)].sort((a, b) => a - b)) {
        const url = getOptimizedImageUrl(path, { ...options, width }, zone);
        // The width that is written must be the width that comes.
        const real = transform === 'variants' ? variantOf(at, variants[at] ?? [], { ...options, width }).width : width;
        if (!sizes.has(url)) sizes.set(url, real);
      }
      const listed = [...sizes];
      if (listed.length === 0 || (listed.length === 1 && !listed[0]![1])) return getCDNUrl(path, zone);
      return listed.map(([url, width]) => `${url} ${width}w`).join(', ');
    },
  };
}

/** The smallest that is wide enough, in the format that was asked for; else the widest; else the original. */
function variantOf(path: string, variants: readonly Variant[], { width = 0, format }: ImageOptions): Variant {
  const wanted = format === undefined || format === 'auto' ? 'webp' : format;
  const made = variants.filter(variant => variant.format === wanted).sort((a, b) => a.width - b.width);
  return made.find(variant => variant.width >= width) ?? made.at(-1) ?? { path, format: '', width: 0 };
}

/** Always a path of this site, percent-encoded once: never another host, and never above the root. */
function sitePath(path: string): string {
  const { pathname, search } = new URL(`/${path.replace(/^[/\\\s]+/, '')}`, 'http://site');
  // A comma or a space in a srcset would end the URL.
  return `${pathname.replace(/,/g, '%2C')}${search.replace(/,/g, '%2C')}`;
}

function checked(options: ImageOptions): ImageOptions {
  for (const name of ['width', 'height', 'quality'] as const) {
    const value = options[name];
    const most = name === 'quality' ? 100 : 12_000;
    if (value !== undefined && !(Number.isInteger(value) && value >= 1 && value <= most))
      throw new RangeError(`${name} is ${value}, and must be a whole number from 1 to ${most}`);
  }
  return options;
}
