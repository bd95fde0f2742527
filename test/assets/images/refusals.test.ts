import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { imageSettingsSchema, inspectImage, optimizeImage } from '../../../actions/lib/assets/images/index.ts';
import { animation, bomb, photo } from './pictures.ts';

const settings = imageSettingsSchema.parse({ widths: [] });
const optimize = (path: string, bytes: Uint8Array, changes: Partial<typeof settings> = {}) =>
  optimizeImage({ path, bytes, settings: { ...settings, ...changes }, signal: new AbortController().signal });

const jpeg = await photo(160, 120).jpeg({ quality: 92 }).toBuffer();
const png = await photo(160, 120).png().toBuffer();
const webp = await photo(160, 120).webp().toBuffer();
const avif = await photo(160, 120).avif({ effort: 0 }).toBuffer();
const gif = await (await animation(5)).gif().toBuffer();

describe('an image that cannot be worked on is refused in one line', () => {
  const half = (bytes: Buffer) => bytes.subarray(0, Math.floor(bytes.length / 2));
  test.each([
    ['no bytes', 'a.jpg', Buffer.alloc(0), 'IMAGE_EMPTY', /a\.jpg has no bytes/],
    ['text', 'a.png', Buffer.from('hello, this is no picture'), 'IMAGE_UNKNOWN_FORMAT', /a\.png .*PNG/],
    ['an error page', 'a.jpg', Buffer.from('<!doctype html><p>404</p>'), 'IMAGE_UNKNOWN_FORMAT', /is HTML/],
    ['a PDF', 'a.webp', Buffer.from('%PDF-1.7 …'), 'IMAGE_UNKNOWN_FORMAT', /is PDF/],
    ['another format than its name says', 'a.png', jpeg, 'IMAGE_WRONG_EXTENSION', /JPEG inside.*PNG/],
    ['another format, upper-case suffix', 'A.JPG', png, 'IMAGE_WRONG_EXTENSION', /PNG inside.*JPEG/],
    ['half a JPEG', 'a.jpg', half(jpeg), 'IMAGE_DAMAGED', /a\.jpg cannot be decoded/],
    ['half a PNG', 'a.png', half(png), 'IMAGE_DAMAGED', /a\.png cannot be decoded/],
    ['half a WebP', 'a.webp', half(webp), 'IMAGE_DAMAGED', /a\.webp cannot be decoded/],
    ['half an AVIF', 'a.avif', half(avif), 'IMAGE_DAMAGED', /a\.avif cannot be decoded/],
    ['half a GIF', 'a.gif', half(gif), 'IMAGE_DAMAGED', /a\.gif cannot be decoded.*middle of a frame/],
    ['a JPEG of its first bytes', 'a.jpg', jpeg.subarray(0, 3), 'IMAGE_DAMAGED', /a\.jpg/],
    ['a decompression bomb', 'a.png', bomb(60_000, 60_000), 'IMAGE_TOO_MANY_PIXELS', /3600 megapixels/],
  ])('%s', async (_, path, bytes, code, message) => {
    const outcome = await optimize(path, bytes);
    expect(outcome).toMatchObject({ kind: 'refused', code, message: expect.stringMatching(message) });
    if (outcome.kind !== 'refused') return;
    expect(outcome.message).not.toContain('\n');
    expect(outcome.hint.length).toBeGreaterThan(10);
  });

  test('every frame of an animation counts to the limit of pixels', async () => {
    const limits = { ...settings.limits, maxPixels: 96 * 64 * 4 };
    expect(await optimize('a.gif', gif, { limits })).toMatchObject({
      code: 'IMAGE_TOO_MANY_PIXELS',
      message: expect.stringContaining('5 frames'),
    });
  });

  test('a file above the limit is not read', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'ops-images-'));
    try {
      const path = join(folder, 'large.jpg');
      await writeFile(path, jpeg);
      const limits = { ...settings.limits, maxBytes: jpeg.length - 1 };
      await expect(inspectImage(path, limits)).rejects.toMatchObject({ code: 'IMAGE_TOO_LARGE' });
      await expect(inspectImage(join(folder, 'none.jpg'), limits)).rejects.toMatchObject({ code: 'IMAGE_UNREADABLE' });
      await expect(inspectImage(folder, limits)).rejects.toMatchObject({ code: 'IMAGE_UNREADABLE' });
      await chmod(path, 0o644);
      await expect(inspectImage(path, settings.limits)).resolves.toMatchObject({ format: 'jpeg', width: 160 });
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test('an upper-case suffix is as good as any', async () => {
    expect(await optimize('PHOTO.JPG', jpeg)).toMatchObject({ kind: 'done', original: { format: 'jpeg' } });
  });

  test('work that is cancelled ends with the reason', async () => {
    const reason = new Error('enough');
    await expect(
      optimizeImage({ path: 'a.jpg', bytes: jpeg, settings, signal: AbortSignal.abort(reason) }),
    ).rejects.toBe(reason);
  });
});

describe('SVG', () => {
  const hostile = `<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>
    <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 120 80.4"><script>alert(1)</script><text>&x;</text></svg>`;

  test('is only looked at: its own words give its size, and nothing is drawn or fetched', async () => {
    const outcome = await optimize('logo.svg', Buffer.from(hostile));
    expect(outcome).toMatchObject({ kind: 'done', original: { format: 'svg', width: 120, height: 80 }, variants: [] });
  });
});
