import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp, { type OverlayOptions, type Sharp } from 'sharp';
import { OpsError } from '../../actions/lib/errors/index.ts';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** Photographs without loss, where a checkout has them beside it. */
const shared = join(root, '..', 'shared', 'data', 'photos');

/** Twelve photographs of nature as JPEG, 1920 pixels wide; in Debian and Ubuntu. */
const packageName = 'mate-backgrounds';
const packageFolder = 'usr/share/backgrounds/mate/nature';

/**
 * Real photographs: of the folder that is given, of a shared one, or of a Debian package that is fetched without being
 * installed.
 * @throws OpsError `BENCH_PHOTOS` when there are none
 */
export async function findPhotos(folder: string | undefined, workFolder: string): Promise<string[]> {
  const from = folder ?? [shared, `/${packageFolder}`].find(existsSync) ?? fetchPackage(workFolder);
  const names = await readdir(from).catch(() => [] as string[]);
  const photos = names
    .filter(name => /\.(jpe?g|png|webp|avif)$/i.test(name))
    .sort()
    .map(name => join(from, name));
  if (photos.length === 0) {
    throw new OpsError('BENCH_PHOTOS', `${from} has no photographs`, {
      hint: 'Name a folder with JPEG or PNG files: npm run bench -- assets --images DIR',
      exit: 'usage',
    });
  }
  process.stderr.write(`${photos.length} photographs of ${from}\n`);
  return photos;
}

function fetchPackage(workFolder: string): string {
  const run = (command: string, args: readonly string[]) => {
    const { status, stderr } = spawnSync(command, args, { cwd: workFolder, encoding: 'utf8', timeout: 300_000 });
    if (status === 0) return;
    throw new OpsError('BENCH_PHOTOS', `${command} could not fetch photographs: ${stderr?.trim().split('\n').at(-1)}`, {
      hint: `Install ${packageName}, or name a folder: npm run bench -- assets --images DIR`,
      exit: 'usage',
    });
  };
  run('apt-get', ['-qq', 'download', packageName]);
  run('sh', ['-c', `dpkg-deb --extract ${packageName}_*.deb .`]);
  return join(workFolder, packageFolder);
}

const tile = 512;
const [columns, rows] = [12, 8];

/**
 * Pictures of 24 megapixels, as those of a camera in size and in detail: squares of the photographs at their own
 * resolution, none of them enlarged. In turn a plain JPEG, a progressive one, one that is turned by its EXIF, and a PNG.
 */
export async function writeLargePhotos(photos: readonly string[], count: number, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const as: ((picture: Sharp) => [name: string, Sharp])[] = [
    picture => ['plain.jpg', picture.jpeg({ quality: 95 })],
    picture => ['progressive.jpg', picture.jpeg({ quality: 95, progressive: true })],
    picture => ['turned.jpg', picture.jpeg({ quality: 95 }).withMetadata({ orientation: 6 })],
    picture => ['lossless.png', picture.png({ compressionLevel: 4 })],
  ];
  for (let index = 0; index < count; index++) {
    const data = await mosaicOf(photos, index);
    const [name, picture] = as[index % as.length]!(sharp(data, { raw: mosaicSize }));
    await picture.toFile(join(folder, `${index}-${name}`));
  }
}

/** Of the whole squares the right and lower edges are cut off: it is 24 megapixels. */
const mosaicSize = { width: 6000, height: 4000, channels: 3 } as const;
export const largeMegapixels = (mosaicSize.width * mosaicSize.height) / 1e6;

async function mosaicOf(photos: readonly string[], seed: number): Promise<Buffer> {
  const tiles: OverlayOptions[] = [];
  for (let index = 0; index < columns * rows; index++) {
    const square = await squareOf(
      photos[(index * 5 + Math.floor(index / columns) + seed) % photos.length]!,
      index + seed,
    );
    tiles.push({
      input: square,
      raw: { width: tile, height: tile, channels: 3 },
      left: (index % columns) * tile,
      top: Math.floor(index / columns) * tile,
    });
  }
  const raw = { width: columns * tile, height: rows * tile, channels: 3 } as const;
  const whole = await sharp({ create: { ...raw, background: 'black' } })
    .composite(tiles)
    .removeAlpha()
    .raw()
    .toBuffer();
  return sharp(whole, { raw })
    .extract({ left: 0, top: 0, width: mosaicSize.width, height: mosaicSize.height })
    .raw()
    .toBuffer();
}

async function squareOf(photo: string, variation: number): Promise<Buffer> {
  const { width, height } = await sharp(photo).metadata();
  if (Math.min(width, height) < tile) {
    throw new OpsError('BENCH_PHOTOS', `${photo} is smaller than ${tile}×${tile}`, { exit: 'usage' });
  }
  const picture = sharp(photo)
    .extract({
      left: Math.floor(((width - tile) * (variation % 4)) / 3),
      top: Math.floor(((height - tile) * (variation % 3)) / 2),
      width: tile,
      height: tile,
    })
    .toColourspace('srgb')
    .removeAlpha()
    .raw();
  return (variation % 2 === 1 ? picture.flop() : picture).toBuffer();
}

/** JPEGs as they are uploaded: parts of the photographs, no two alike. */
export async function writeSmallPhotos(photos: readonly string[], count: number, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (let index = 0; index < count; index++) {
    const data = await squareOf(photos[index % photos.length]!, index);
    // A pixel of its own: else those that come round again would be one content, which is worked on once.
    data[0] = index % 256;
    data[1] = Math.floor(index / 256);
    const jpeg = sharp(data, { raw: { width: tile, height: tile, channels: 3 } }).jpeg({ quality: 92 });
    await writeFile(join(folder, `${index}.jpg`), await jpeg.toBuffer());
  }
}
