export { isAvifSequence, isWholeGif, pngFrames } from './animation.ts';
export { hasColoursOfItsOwn } from './code-points.ts';
export { exifHeader, readExif, smallExif, withoutPlaceAndTurn } from './exif.ts';
export { classifyProfile } from './icc.ts';
export * from './jpeg.ts';
export { formatByName, mediaTypeOf, sniff, suffixOf } from './sniff.ts';
export { readXmp, writeXmp } from './xmp.ts';
