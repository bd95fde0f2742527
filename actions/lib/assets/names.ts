import type { Encoding } from './text/index.ts';
import { encodingSuffix } from './text/index.ts';

/** Where things are put: functions of the path and the content alone, so that every job, and every run, says the same. */

/** `css/site.css`, or with a hash `css/site.1a2b3c4d.css`. */
export function outputName(path: string, sha256: string, hashedNames: boolean): string {
  if (!hashedNames) return path;
  const slash = path.lastIndexOf('/') + 1;
  const dot = path.indexOf('.', slash + 1);
  const at = dot < 0 ? path.length : path.lastIndexOf('.') > slash ? path.lastIndexOf('.') : dot;
  return `${path.slice(0, at)}.${shortHash(sha256)}${path.slice(at)}`;
}

/**
 * `photo.jpg.640w.webp`: the whole name of the source is in it, since `photo.jpg` and `photo.png` may stand side by side.
 */
export function variantName(
  path: string,
  { width, format, sha256 }: { width: number; format: string; sha256: string },
  hashedNames: boolean,
): string {
  const suffix = format === 'jpeg' ? 'jpg' : format;
  return `${path}.${width}w${hashedNames ? `.${shortHash(sha256)}` : ''}.${suffix}`;
}

/** As servers look for it: `site.css.br`. */
export function encodedName(name: string, encoding: Encoding): string {
  return `${name}${encodingSuffix[encoding]}`;
}

function shortHash(sha256: string): string {
  return sha256.slice(0, 8);
}
