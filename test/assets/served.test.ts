import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { decodeOwn } from '../../actions/lib/assets/images/pixels.ts';
import { assetsOptimizeOperation, type Manifest, manifestSchema, pictureOf } from '../../actions/lib/assets/index.ts';
import { createCdnService } from '../../actions/lib/cdn/index.ts';
import { browserBundle } from '../cdn/browser-bundle.ts';
import { visit } from '../services/browser.ts';
import type { Page } from '../services/origin.ts';
import { requireService } from '../services/requirements.ts';
import { photo } from './images/pictures.ts';
import { Tree } from './tree-fixture.ts';

/** What `ops assets optimize` wrote, as a site and a browser take it. */
let tree: Tree;
let manifest: Manifest;

const widths = [320, 640];
const [photoPath, plainPath] = ['/pics/at%20sea%2C%201.jpg', '/pics/logo.svg'];

beforeAll(async () => {
  tree = await Tree.open({
    'pics/at sea, 1.jpg': await photo(960, 640).jpeg({ quality: 97, chromaSubsampling: '4:4:4' }).toBuffer(),
    'pics/logo.svg':
      '<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"><rect width="10" height="10" fill="red"/></svg>',
  });
  await assetsOptimizeOperation.execute(
    { globs: ['pics/*'], inPlace: false, out: 'dist', manifest: 'dist/assets.json' },
    tree.context({ images: { widths, inPlace: false, effort: { avif: 0, webp: 2 } } }),
  );
  manifest = manifestSchema.parse(JSON.parse(await tree.read('dist/assets.json')));
});
afterAll(() => tree?.[Symbol.asyncDispose]());

const cdn = (url = 'https://cdn.example.org') =>
  createCdnService({
    cwd: tree.root,
    env: { CDN_URL: url, CDN_TRANSFORM: 'variants', CDN_MANIFEST: 'dist/assets.json' },
  });

/** The file that a path of the site stands for. */
const fileOf = (path: string) => readFile(join(tree.root, 'dist', decodeURIComponent(path)));

describe('URLs of the CDN for what was made', () => {
  const urlsOf = (srcset: string) =>
    srcset.split(', ').map(candidate => {
      const [url, width] = candidate.split(' ') as [string, string?];
      return { path: new URL(url).pathname, width: width === undefined ? undefined : Number.parseInt(width, 10) };
    });

  test.each(['avif', 'webp', undefined] as const)(
    'a srcset of %s names files that are there, of that width',
    async format => {
      const service = cdn();
      for (const asked of [[100], [320, 640, 960], [480, 4000]]) {
        const listed = urlsOf(service.getResponsiveImageSrcSet(photoPath, asked, { ...(format && { format }) }));
        expect(listed.length).toBeGreaterThan(0);
        for (const { path, width } of listed) {
          const metadata = await sharp(await fileOf(path)).metadata();
          expect([metadata.format, metadata.width]).toEqual([format === 'avif' ? 'heif' : 'webp', width]);
        }
      }
    },
  );

  test('one URL is the smallest variant that is wide enough, and the original where none was made', async () => {
    const service = cdn();
    const widthAt = async (width: number) => {
      const url = service.getOptimizedImageUrl(photoPath, { width, format: 'avif' });
      return (await sharp(await fileOf(new URL(url).pathname)).metadata()).width;
    };
    expect([await widthAt(200), await widthAt(321), await widthAt(900), await widthAt(5000)]).toEqual([
      320, 640, 960, 960,
    ]);
    for (const path of [plainPath, photoPath]) {
      const url = service.getOptimizedImageUrl(path, { width: 200, format: 'png' });
      expect(url).toBe(`https://cdn.example.org${path}`);
      expect((await fileOf(new URL(url).pathname)).length).toBeGreaterThan(0);
    }
    expect(service.getResponsiveImageSrcSet(plainPath, [200, 400])).toBe(`https://cdn.example.org${plainPath}`);
  });

  test('every address of the manifest and of its markup is that of a file', async () => {
    expect(manifest.assets.map(({ path }) => path)).toEqual([photoPath, plainPath]);
    const [asset] = manifest.assets;
    expect(asset!.variants.map(({ format, width }) => `${format} ${width}`).sort()).toEqual(
      ['avif', 'webp'].flatMap(format => [320, 640, 960].map(width => `${format} ${width}`)).sort(),
    );
    const addresses = asset!.picture!.matchAll(/(?:src|srcset)="([^"]*)"/g);
    for (const path of [...addresses].flatMap(([, list]) => list!.split(', ').map(each => each.split(' ')[0]!))) {
      expect([path, (await fileOf(path)).length > 0]).toEqual([path, true]);
    }
  });
});

const reportSchema = z.object({
  innerWidth: z.number(),
  images: z.array(
    z.object({
      source: z.string(),
      naturalWidth: z.number(),
      naturalHeight: z.number(),
      colour: z.array(z.number()),
    }),
  ),
});

requireService('browser')('in a real browser', () => {
  /** Says of every image of the page what was chosen, how large it truly is, and its mean colour as it was drawn. */
  const report = `
    const look = async image => {
      if (!image.complete) await new Promise((resolve, reject) => { image.onload = resolve; image.onerror = reject; });
      const chosen = new Image();
      chosen.src = image.currentSrc;
      await chosen.decode();
      const canvas = Object.assign(document.createElement('canvas'), { width: 1, height: 1 });
      const brush = canvas.getContext('2d');
      brush.imageSmoothingQuality = 'high';
      brush.drawImage(image, 0, 0, 1, 1);
      return {
        source: new URL(image.currentSrc).pathname,
        naturalWidth: chosen.naturalWidth,
        naturalHeight: chosen.naturalHeight,
        colour: [...brush.getImageData(0, 0, 1, 1).data],
      };
    };
    const send = body => fetch('/report', { method: 'POST', body: JSON.stringify(body) });
    Promise.all([...document.images].map(look)).then(
      images => send({ innerWidth, images }),
      error => send({ failure: String(error) }),
    );`;

  async function serve(path: string): Promise<Page | undefined> {
    if (path === '/cdn-urls.js')
      return { headers: { 'content-type': 'text/javascript' }, body: (await browserBundle()).code };
    const all = manifest.assets.flatMap(asset => [asset, ...asset.variants]);
    const found = all.find(each => each.path === path);
    return found && { headers: { 'content-type': found.type }, body: await fileOf(path) };
  }

  const page = (body: string) =>
    `<!doctype html><html><head><link rel="icon" href="data:,"><style>body{margin:0}img{display:block;width:100%;height:auto}</style></head><body>${body}</body></html>`;

  test('the <picture> of the manifest is shown as AVIF, of the width that the window takes', async () => {
    const [asset, plain] = manifest.assets;
    const html = page(`${asset!.picture}${pictureOf(plain!, { alt: 'Logo' })}<script type="module">${report}</script>`);
    const { report: sent, asked } = await visit({ html, serve, width: 600 });
    const { innerWidth, images } = reportSchema.parse(sent);
    const [shown, logo] = images;
    expect(innerWidth).toBeGreaterThan(320);
    expect(innerWidth).toBeLessThanOrEqual(640);
    expect(shown).toMatchObject({
      source: asset!.variants.find(({ format, width }) => format === 'avif' && width === 640)!.path,
      naturalWidth: 640,
      naturalHeight: 427,
    });
    expect(logo).toMatchObject({ source: plainPath, naturalWidth: 10, colour: [255, 0, 0, 255] });
    await expectColourOfPhoto(shown!.colour);
    // One file for each picture: nothing else was loaded to choose from.
    expect([...new Set(asked)].sort()).toEqual(['/', shown!.source, plainPath].sort());
  });

  test('URLs made by the bundle in the page are chosen from in the same way', async () => {
    const config = {
      zones: { default: { url: '', transform: 'variants' } },
      variants: Object.fromEntries(manifest.assets.map(asset => [asset.path, asset.variants])),
    };
    const html = page(`<script type="module">
      import { createCdnUrls } from '/cdn-urls.js';
      const urls = createCdnUrls(${JSON.stringify(config)});
      const image = new Image();
      image.sizes = '50vw';
      image.srcset = urls.getResponsiveImageSrcSet('${photoPath}', [320, 640, 960], { format: 'webp' });
      image.src = urls.getCDNUrl('${photoPath}');
      const fixed = new Image();
      fixed.src = urls.getOptimizedImageUrl('${photoPath}', { width: 700, format: 'avif' });
      document.body.append(image, fixed);
      ${report}
    </script>`);
    const { report: sent, asked } = await visit({ html, serve, width: 600 });
    const { images } = reportSchema.parse(sent);
    const pathOf = (format: string, width: number) =>
      manifest.assets[0]!.variants.find(each => each.format === format && each.width === width)!.path;
    expect(images).toMatchObject([
      { source: pathOf('webp', 320), naturalWidth: 320, naturalHeight: 213 },
      { source: pathOf('avif', 960), naturalWidth: 960, naturalHeight: 640 },
    ]);
    for (const { colour } of images) await expectColourOfPhoto(colour);
    expect([...new Set(asked)].sort()).toEqual(['/', '/cdn-urls.js', ...images.map(({ source }) => source)].sort());
  });

  test('an AVIF is shown in the very pixels that its score was taken of', async () => {
    const { path, width, height } = manifest.assets[0]!.variants.find(each => each.format === 'avif')!;
    const html = page(`<img src="${path}"><script type="module">
      const image = document.images[0];
      await image.decode();
      const canvas = Object.assign(document.createElement('canvas'), { width: ${width}, height: ${height} });
      const brush = canvas.getContext('2d');
      brush.drawImage(image, 0, 0);
      const { data } = brush.getImageData(0, 0, ${width}, ${height});
      await fetch('/report', { method: 'POST', body: JSON.stringify([...data].filter((_, at) => at % 4 < 3)) });
    </script>`);
    const { report: sent } = await visit({ html, serve, width: 600 });
    const shown = z.array(z.int()).parse(sent);
    const scored = await decodeOwn(await fileOf(path));
    expect([scored.channels, scored.data.length]).toEqual([3, shown.length]);
    const differences = shown.map((value, at) => value - scored.data[at]!);
    // Decoders round colours in their own way; none is darker, lighter or of another tint on the whole.
    expect(differences.filter(each => Math.abs(each) > 2)).toEqual([]);
    for (const channel of [0, 1, 2]) {
      const own = differences.filter((_, at) => at % 3 === channel);
      expect(Math.abs(own.reduce((sum, each) => sum + each, 0) / own.length)).toBeLessThan(0.2);
    }
  });

  async function expectColourOfPhoto(colour: readonly number[]): Promise<void> {
    const { channels } = await sharp(await fileOf(photoPath)).stats();
    for (const [index, { mean }] of channels.entries()) expect(Math.abs(colour[index]! - mean)).toBeLessThan(25);
    expect(colour[3]).toBe(255);
  }
});
