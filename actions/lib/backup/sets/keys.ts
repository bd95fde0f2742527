import type { SetKind } from './manifest.ts';

/**
 * Where things lie in a destination. Every key is built and taken apart here and nowhere else; see ../FORMAT.md.
 *
 *     sets/<kind>/<id>/manifest.json      written last: the set exists
 *     sets/<kind>/<id>/RESTORE.md         how to restore it with stock tools
 *     sets/<kind>/<id>/SHA256SUMS         of every part, for `sha256sum -c`
 *     sets/<kind>/<id>/proofs/<id>.json   verdicts of drills
 *     parts/<kind>/<id>/<name>            sent by that set; later sets may refer to them
 *     pending/<kind>/<id>.json            a run that has begun and not ended
 */
export const setKinds = ['database', 'files'] as const satisfies readonly SetKind[];

export const setFolder = (kind: SetKind, id: string) => `sets/${kind}/${id}/`;
export const manifestKey = (kind: SetKind, id: string) => `sets/${kind}/${id}/manifest.json`;
export const restoreDocKey = (kind: SetKind, id: string) => `sets/${kind}/${id}/RESTORE.md`;
export const checksumsKey = (kind: SetKind, id: string) => `sets/${kind}/${id}/SHA256SUMS`;
export const proofFolder = (kind: SetKind, id: string) => `sets/${kind}/${id}/proofs/`;
export const partFolder = (kind: SetKind, id: string) => `parts/${kind}/${id}/`;
export const pendingFolder = (kind: SetKind) => `pending/${kind}/`;
export const pendingKey = (kind: SetKind, id: string) => `pending/${kind}/${id}.json`;

const idPattern = String.raw`\d{8}T\d{6}Z-[0-9a-f]{4}`;
const manifestPattern = new RegExp(`^sets/(database|files)/(${idPattern})/manifest\\.json$`);
const partPattern = new RegExp(`^parts/(database|files)/(${idPattern})/[^/]+$`);
/** RESTORE.md and its neighbours; not the manifest. */
const descriptionPattern = new RegExp(`^sets/(database|files)/(${idPattern})/(?!manifest\\.json$).+$`);
const pendingPattern = new RegExp(`^pending/(database|files)/(${idPattern})\\.json$`);

export interface SetAddress {
  kind: SetKind;
  id: string;
}

export const setOfManifestKey = (key: string) => address(manifestPattern, key);
export const setOfPartKey = (key: string) => address(partPattern, key);
export const setOfDescription = (key: string) => address(descriptionPattern, key);
export const setOfPendingKey = (key: string) => address(pendingPattern, key);

export function isSetId(text: string): boolean {
  return new RegExp(`^${idPattern}$`).test(text);
}

function address(pattern: RegExp, key: string): SetAddress | undefined {
  const match = pattern.exec(key);
  return match ? { kind: match[1] as SetKind, id: match[2]! } : undefined;
}
