import sharp from 'sharp';

/** Raised when what is written for the same image and settings changes by our own doing. */
const algorithmVersion = 4;

const {
  sharp: sharpVersion,
  vips,
  mozjpeg,
  webp,
  aom,
  heif,
  png,
  cgif,
  lcms,
} = sharp.versions as Record<string, string>;

/** Everything an output depends on besides its input and the settings, for cache keys. */
export const imageToolVersion = [
  `images-${algorithmVersion}`,
  `sharp-${sharpVersion}`,
  `vips-${vips}`,
  ...Object.entries({ mozjpeg, webp, aom, heif, png, cgif, lcms }).map(([name, version]) => `${name}-${version}`),
].join(' ');
