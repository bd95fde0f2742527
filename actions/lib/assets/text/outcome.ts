/** What a text file is taken for. */
export const textKinds = ['javascript', 'css', 'html', 'svg', 'json'] as const;
export type TextKind = (typeof textKinds)[number];

export interface TextSettings {
  /** Names of functions and classes stay: code that reads `fn.name` or `constructor.name` goes on working. */
  keepNames: boolean;
}

export interface TextFile {
  /** For messages and for the names inside source maps. */
  path: string;
  kind: TextKind;
  bytes: Uint8Array;
  /** The source map that the file names, when it is a file of its own that could be read. */
  map?: Uint8Array | undefined;
  settings: TextSettings;
}

/** What became of one file. Bytes of a `smaller` one are always fewer than those that came in, with the map's own apart. */
export type TextOutcome =
  | { status: 'smaller'; bytes: Uint8Array; map?: Uint8Array | undefined; tool: string }
  | { status: 'same' }
  /** Not touched, and why: one line for a person. */
  | { status: 'left'; code: LeftCode; reason: string };

/**
 * `invalid`: it cannot be parsed. `encoding`: not UTF-8. `unsafe`: it holds what must neither run nor be resolved.
 * `map`: its source map would no longer be true. `unsure`: what a tool made of it did not pass the check.
 */
export type LeftCode = 'invalid' | 'encoding' | 'unsafe' | 'map' | 'unsure';

export class LeftAsItIs extends Error {
  readonly code: LeftCode;

  constructor(code: LeftCode, reason: string) {
    super(reason.replace(/\s*[\r\n]+\s*/g, ' ').trim());
    this.code = code;
  }
}

/** What one pass of a minifier made, with the map from it to what it was given. */
export interface Minified {
  code: string;
  map?: RawMap | undefined;
  tool: string;
}

/** A source map, version 3. */
export interface RawMap {
  version: number;
  file?: string | undefined;
  sources: (string | null)[];
  sourcesContent?: (string | null)[] | undefined;
  names: string[];
  mappings: string;
  sourceRoot?: string | undefined;
}
