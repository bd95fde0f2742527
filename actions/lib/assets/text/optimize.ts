import { LeftAsItIs, type Minified, type RawMap, type TextFile, type TextOutcome } from './outcome.ts';
import { chainMaps, type MapComment, mapCommentOf, type OriginalMap, originalMap } from './source-map.ts';

/**
 * One text file, smaller where that is safe. Never larger; made from what comes out, nothing changes any more; what cannot
 * be parsed comes back as `left` and is not touched.
 */
export async function optimizeText(file: TextFile): Promise<TextOutcome> {
  try {
    return await smaller(file);
  } catch (error) {
    if (error instanceof LeftAsItIs) return { status: 'left', code: error.code, reason: error.message };
    // A defect of a minifier is a file that stays as it is, and not the end of the run.
    return {
      status: 'left',
      code: 'unsure',
      reason: `the minifier failed: ${(error as Error).message.split('\n')[0]}`,
    };
  }
}

async function smaller(file: TextFile): Promise<TextOutcome> {
  const text = decode(file.bytes);
  const hasMaps = file.kind === 'javascript' || file.kind === 'css';
  const comment = hasMaps ? mapCommentOf(text) : undefined;
  const original = originalMap(comment, file);
  const wantsMap = original.kind === 'file' || original.kind === 'inline';
  const settled = await settle(comment?.rest ?? text, file, wantsMap);
  if (!settled) return { status: 'same' };

  // Of a file that was cut off, a parser may recover nothing, and not complain.
  if (settled.code.replace(/^\ufeff/, '').trim() === '') throw new LeftAsItIs('unsure', 'nothing would be left of it');

  const made = assemble(settled, file, comment, original);
  const bytes = Buffer.from(made.code);
  // With a map inside it, a file can grow.
  if (bytes.length >= file.bytes.length) return { status: 'same' };
  return { status: 'smaller', bytes, ...(made.map && { map: made.map }), tool: settled.tool };
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new LeftAsItIs('encoding', 'it is not UTF-8');
  }
}

const mostPasses = 8;

interface Settled {
  code: string;
  /** Newest first. */
  maps: RawMap[];
  tool: string;
}

/**
 * Again and again, until a pass gains nothing: a file that was made here is one that the next run leaves alone.
 * @returns undefined when the first pass gains nothing
 */
async function settle(text: string, file: TextFile, wantsMap: boolean): Promise<Settled | undefined> {
  // A byte order mark is no part of the text, and stays: without it a server's wrong charset would count.
  const mark = text.startsWith('\ufeff') ? '\ufeff' : '';
  let settled: Settled = { code: text.slice(mark.length), maps: [], tool: '' };
  for (let number = 0; number < mostPasses; number++) {
    const next = await minify(settled.code, file, wantsMap);
    if (Buffer.byteLength(next.code) >= Buffer.byteLength(settled.code)) {
      return settled.tool === '' ? undefined : { ...settled, code: `${mark}${settled.code}` };
    }
    settled = { code: next.code, maps: [...(next.map ? [next.map] : []), ...settled.maps], tool: next.tool };
  }
  throw new LeftAsItIs('unsure', `it still changes after ${mostPasses} passes`);
}

/** A thread that only meets style sheets loads no parser of JavaScript: each takes a tenth of a second. */
async function minify(code: string, { path, kind, settings }: TextFile, wantsMap: boolean): Promise<Minified> {
  switch (kind) {
    case 'javascript':
      return (await import('./javascript.ts')).minifyJavaScript(code, baseName(path), settings, wantsMap);
    case 'css':
      return (await import('./css.ts')).minifyCss(code, baseName(path), wantsMap);
    case 'html':
      return (await import('./html.ts')).minifyHtml(code);
    case 'svg':
      return (await import('./svg.ts')).minifySvg(code);
    case 'json':
      return (await import('./json.ts')).minifyJson(code);
  }
}

/** The code with the comment that names its map again, and the map from it to the very sources. */
function assemble(
  { code, maps }: Settled,
  { path, kind }: TextFile,
  comment: MapComment | undefined,
  original: OriginalMap,
): { code: string; map?: Uint8Array | undefined } {
  if (!comment || original.kind === 'none' || original.kind === 'missing') return { code };
  const { sourceRoot, ...first } = original.map;
  const chained = chainMaps([...maps, rooted(first, sourceRoot)]);
  const map = JSON.stringify({ ...chained, file: original.map.file ?? baseName(path) });
  const url =
    original.kind === 'file' ? original.url : `data:application/json;base64,${Buffer.from(map).toString('base64')}`;
  const named = kind === 'css' ? `/*# sourceMappingURL=${url} */` : `//# sourceMappingURL=${url}`;
  return { code: `${code}\n${named}`, ...(original.kind === 'file' && { map: Buffer.from(map) }) };
}

/** Sources are relative to the root of the map they come from, which the map that is made does not have. */
function rooted(map: RawMap, root: string | undefined): RawMap {
  if (!root) return map;
  const base = root.endsWith('/') ? root : `${root}/`;
  return { ...map, sources: map.sources.map(source => (source === null ? source : `${base}${source}`)) };
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
