import remapping, { type SourceMapInput } from '@jridgewell/remapping';
import { LeftAsItIs, type RawMap, type TextFile } from './outcome.ts';

/** The last comment that names a source map, as browsers look for it (ECMA-426, 11.1.2.1). */
const pattern =
  /(?:\/\/[#@][ \t]*sourceMappingURL=([^\s'"]+)[ \t]*|\/\*[#@][ \t]*sourceMappingURL=([^\s'"*]+)[ \t]*\*\/)\s*$/;

/** What a file says about its source map. */
export interface MapComment {
  url: string;
  /** The file without the comment. */
  rest: string;
}

export function mapCommentOf(text: string): MapComment | undefined {
  const match = pattern.exec(text);
  const url = match?.[1] ?? match?.[2];
  return match && url ? { url, rest: text.slice(0, match.index) } : undefined;
}

/** Where the map of a file is, relative to it; undefined when it has none, or holds it itself, or it is on another host. */
export function mapFileOf(text: string): string | undefined {
  const url = mapCommentOf(text)?.url;
  if (url === undefined || /^[a-z][a-z\d+.-]*:|^\/\//i.test(url)) return undefined;
  try {
    return decodeURIComponent(url.replace(/[?#].*$/, ''));
  } catch {
    return undefined;
  }
}

export type OriginalMap =
  | { kind: 'none' }
  /** Named, and not there: nothing is lost with the comment. */
  | { kind: 'missing' }
  | { kind: 'file'; url: string; map: RawMap }
  | { kind: 'inline'; map: RawMap };

/**
 * @throws LeftAsItIs `map` for a map that is elsewhere, or cannot be read: after a change it would point at wrong lines
 */
export function originalMap(comment: MapComment | undefined, file: Pick<TextFile, 'map'>): OriginalMap {
  if (!comment) return { kind: 'none' };
  const { url } = comment;
  const data = /^data:application\/json[^,]*?(;base64)?,(.*)$/i.exec(url);
  if (data) {
    const json = data[1] ? Buffer.from(data[2]!, 'base64').toString() : decodeURIComponent(data[2]!);
    return { kind: 'inline', map: parseMap(json) };
  }
  if (/^[a-z][a-z\d+.-]*:|^\/\//i.test(url)) {
    throw new LeftAsItIs('map', `its source map is at ${url.slice(0, 100)} and would no longer fit`);
  }
  if (!file.map) return { kind: 'missing' };
  return { kind: 'file', url, map: parseMap(Buffer.from(file.map).toString('utf8')) };
}

function parseMap(json: string): RawMap {
  try {
    // Some servers' guard against scripts that read it (ECMA-426, 11.1.2).
    const map = JSON.parse(json.replace(/^\)\]\}'[^\n]*\n/, '')) as Partial<RawMap> & { sections?: unknown };
    if (map.version !== 3 || typeof map.mappings !== 'string' || !Array.isArray(map.sources)) throw new Error();
    return { ...map, names: map.names ?? [] } as RawMap;
  } catch {
    throw new LeftAsItIs('map', 'its source map cannot be read, and would no longer fit');
  }
}

/**
 * One map from the last of several steps to what the first began with.
 * @param steps newest first, each from what it made to what it was given; the oldest may be the file's own map
 */
export function chainMaps(steps: readonly RawMap[]): RawMap {
  const {
    file,
    sourceRoot: _,
    ...map
  } = remapping([...steps] as SourceMapInput[], () => null, {
    decodedMappings: false,
  });
  return { ...map, ...(file !== undefined && file !== null && { file }) } as unknown as RawMap;
}
