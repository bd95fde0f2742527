import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createCdnUrls, type ImageTransform } from '../../actions/lib/cdn/index.ts';
import { browserBundle } from './browser-bundle.ts';

const of = (transform: ImageTransform, url = 'https://img.example.org') =>
  createCdnUrls({
    zones: { default: { url: 'https://cdn.example.org', transform: 'none' }, images: { url, transform } },
    variants: {
      '/photo.jpg': [
        { path: '/photo.400w.webp', format: 'webp', width: 400 },
        { path: '/photo.800w.webp', format: 'webp', width: 800 },
        { path: '/photo.400w.avif', format: 'avif', width: 400 },
      ],
    },
  });

describe('the URL of a path', () => {
  it.each([
    ['/photo.jpg', 'images', 'https://img.example.org/photo.jpg'],
    ['photo.jpg', 'images', 'https://img.example.org/photo.jpg'],
    ['/photo.jpg', 'default', 'https://cdn.example.org/photo.jpg'],
    ['/a b/ü.jpg?v=1', 'images', 'https://img.example.org/a%20b/%C3%BC.jpg?v=1'],
    ['/a%20b.jpg', 'images', 'https://img.example.org/a%20b.jpg'],
    ['/../../etc/passwd', 'images', 'https://img.example.org/etc/passwd'],
    ['//evil.example/x.js', 'images', 'https://img.example.org/evil.example/x.js'],
    ['/\\evil.example/x.js', 'images', 'https://img.example.org/evil.example/x.js'],
    ['javascript:alert(1)', 'images', 'https://img.example.org/javascript:alert(1)'],
  ])('%s in %s', (path, zone, url) => {
    expect(of('none').getCDNUrl(path, zone)).toBe(url);
  });

  it('a zone below a folder keeps the folder', () => {
    expect(of('none', 'https://example.org/static/').getCDNUrl('/a.css', 'images')).toBe(
      'https://example.org/static/a.css',
    );
  });

  it('without any zone it is the path itself; a zone that is not there is an error', () => {
    expect(createCdnUrls({ zones: {} }).getCDNUrl('/a.css', 'images')).toBe('/a.css');
    expect(() => of('none').getCDNUrl('/a.css', 'imges')).toThrow("There is no CDN zone 'imges'");
  });

  it('whatever the path, it stays on the host of the zone', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.webUrl(),
          fc.string({ unit: fc.constantFrom('/', '\\', '.', ' ', '@', ':', 'a', '\t') }),
        ),
        path => {
          const url = of('none').getCDNUrl(path, 'images');
          expect(new URL(url).host).toBe('img.example.org');
          expect(url.startsWith('https://img.example.org/')).toBe(true);
        },
      ),
    );
  });
});

describe('an image in another size or format', () => {
  it.each<[ImageTransform, Parameters<ReturnType<typeof of>['getOptimizedImageUrl']>[1], string]>([
    [
      'cloudflare',
      { width: 400, quality: 80 },
      'https://img.example.org/cdn-cgi/image/width=400,quality=80,format=auto,fit=scale-down,onerror=redirect/photo.jpg',
    ],
    [
      'cloudflare',
      { width: 1600, format: 'avif' },
      'https://img.example.org/cdn-cgi/image/width=1600,format=auto,fit=scale-down,onerror=redirect/photo.jpg',
    ],
    [
      'cloudflare',
      { width: 800, height: 600, format: 'avif' },
      'https://img.example.org/cdn-cgi/image/width=800,height=600,format=avif,fit=scale-down,onerror=redirect/photo.jpg',
    ],
    ['aws', { width: 200, format: 'webp' }, 'https://img.example.org/photo.jpg?format=webp&width=200'],
    ['aws', {}, 'https://img.example.org/photo.jpg'],
    ['variants', { width: 500 }, 'https://img.example.org/photo.800w.webp'],
    ['variants', { width: 5000, format: 'webp' }, 'https://img.example.org/photo.800w.webp'],
    ['variants', { width: 300, format: 'avif' }, 'https://img.example.org/photo.400w.avif'],
    ['variants', { width: 300, format: 'png' }, 'https://img.example.org/photo.jpg'],
    ['none', { width: 300 }, 'https://img.example.org/photo.jpg'],
  ])('%s %j', (transform, options, url) => {
    expect(of(transform).getOptimizedImageUrl('/photo.jpg', options, 'images')).toBe(url);
  });

  it('a query of the path stays, for a handler that reads it', () => {
    expect(of('aws').getOptimizedImageUrl('/p.jpg?v=3', { width: 9 }, 'images')).toBe(
      'https://img.example.org/p.jpg?v=3&width=9',
    );
  });

  it.each([{ width: 0 }, { width: 1.5 }, { width: Number.NaN }, { height: 12_001 }, { quality: 101 }])(
    '%j cannot be',
    options => {
      expect(() => of('cloudflare').getOptimizedImageUrl('/photo.jpg', options, 'images')).toThrow(RangeError);
    },
  );
});

describe('a srcset', () => {
  it('has each width once, in order', () => {
    expect(of('aws').getResponsiveImageSrcSet('/photo.jpg', [800, 400, 800], {}, 'images')).toBe(
      'https://img.example.org/photo.jpg?width=400 400w, https://img.example.org/photo.jpg?width=800 800w',
    );
  });

  it('of made variants says the width that comes, not the one that was asked for', () => {
    expect(of('variants').getResponsiveImageSrcSet('/photo.jpg', [300, 500, 2000], {}, 'images')).toBe(
      'https://img.example.org/photo.400w.webp 400w, https://img.example.org/photo.800w.webp 800w',
    );
  });

  it('is the image alone where no sizes can be made', () => {
    expect(of('none').getResponsiveImageSrcSet('/photo.jpg', [400, 800], {}, 'images')).toBe(
      'https://img.example.org/photo.jpg',
    );
    expect(of('variants').getResponsiveImageSrcSet('/other.jpg', [400, 800], {}, 'images')).toBe(
      'https://img.example.org/other.jpg',
    );
  });

  it('a comma of a path does not divide it', () => {
    expect(of('aws').getResponsiveImageSrcSet('/a,b.jpg', [400], {}, 'images')).toBe(
      'https://img.example.org/a%2Cb.jpg?width=400 400w',
    );
  });
});

it('in a browser bundle it is at most 2 KB, and brings nothing else', async () => {
  const { code, inputs } = await browserBundle();
  expect(gzipSync(code, { level: 9 }).length).toBeLessThanOrEqual(2048);
  expect(inputs).toHaveLength(1);
});
