import { createHash } from 'node:crypto';
import { z } from 'zod';
import { OpsError } from '../../errors/index.ts';

/**
 * The manifest of one set. It is written last and makes the set exist; see ../FORMAT.md for the order of writes that
 * makes every crash safe. It is not encrypted, so that a machine without the identity can list, re-hash and prune;
 * it therefore holds names, counts and hashes of ciphertext and plaintext, and never a row.
 */
export const manifestSchemaName = 'production-ops/set/1';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const bytes = z.int().min(0);

/**
 * What a part is for. The order of restoring is: roles (on request), schema, rows, blobs, then the schema's second half,
 * and the properties of the database at last.
 */
export const partRoles = ['schema', 'rows', 'blobs', 'roles', 'properties', 'evidence', 'archive', 'state'] as const;

const slice = z.strictObject({
  /** Index into `database.tables`. */
  table: z.int().min(0),
  /** First heap block, and the first one after it; null is the end of the relation. Both null: the whole relation. */
  firstBlock: z.int().min(0).nullable(),
  endBlock: z.int().min(0).nullable(),
  /** As COPY counted them. */
  rows: z.int().min(0),
  /** Where the rows lie inside the plain bytes of the part. */
  offset: bytes,
  plainBytes: bytes,
});
export type Slice = z.infer<typeof slice>;

const part = z.strictObject({
  key: z.string().min(1),
  role: z.enum(partRoles),
  plainBytes: bytes,
  plainSha256: sha256,
  storedBytes: bytes,
  storedSha256: sha256,
  isEncrypted: z.boolean(),
  isCompressed: z.boolean(),
  /** Sent by an earlier set and found unchanged. */
  isReused: z.boolean(),
  slices: z.array(slice).optional(),
});
export type Part = z.infer<typeof part>;

const table = z.strictObject({
  schema: z.string(),
  name: z.string(),
  /** The COPY … FROM stdin statement of its rows, without the semicolon. */
  copyFrom: z.string(),
  rows: z.int().min(0),
  /** Changes when the same heap would be written differently: file, columns, enum labels, extension versions. */
  signature: z.string(),
});
export type TableRecord = z.infer<typeof table>;

const database = z.strictObject({
  serverVersion: z.string(),
  major: z.int(),
  systemIdentifier: z.string().nullable(),
  timeline: z.int().nullable(),
  databaseOid: z.string(),
  encoding: z.string(),
  localeProvider: z.string(),
  collate: z.string(),
  ctype: z.string(),
  icuLocale: z.string().nullable(),
  databaseBytes: bytes,
  /** Everything this snapshot could not see has a transaction id of at least this (64 bit, with epoch). */
  snapshotXmin: z.string(),
  fingerprintLevel: z.enum(['sample', 'full']),
  /** When every row was last sent, by which set. */
  fullSetId: z.string(),
  /** Roles that own or may use something in the database. */
  roles: z.array(z.string()),
  /** Besides the standard ones. */
  tablespaces: z.array(z.string()),
  /** Foreign keys to tables that are not in the set, as oids: they stand in the archive and are not restored. */
  leftOutForeignKeys: z.array(z.string().regex(/^\d+$/)),
  tables: z.array(table),
});

const files = z.strictObject({
  /** The folders, absolute, symbolic links resolved; in the same order their names in the archive, `./` before each. */
  roots: z.array(z.string()),
  members: z.array(z.string()),
  exclude: z.array(z.string()),
  /** 0: everything; n: changes since level n-1, whose set is `baseId`. */
  level: z.int().min(0),
  /** The set of level 0 that this one goes back to. */
  fullSetId: z.string(),
  /** What the restored tree has: folders, files, links. */
  entries: z.int().min(0),
  /** What this run's own archive has, folders not counted: new and changed files, links; and the bytes of the files. */
  sentEntries: z.int().min(0),
  sentFileBytes: bytes,
  /** Names that were there and could not be read, or vanished; the next run tries them again. */
  unreadEntries: z.int().min(0),
});

const common = {
  schema: z.literal(manifestSchemaName),
  id: z.string().regex(/^\d{8}T\d{6}Z-[0-9a-f]{4}$/),
  /** The database, or the name of the files: sets of one source follow each other. */
  source: z.string().min(1),
  /** The instant the content is of. */
  snapshotAt: z.iso.datetime(),
  startedAt: z.iso.datetime(),
  finishedAt: z.iso.datetime(),
  tool: z.strictObject({ version: z.string(), node: z.string() }),
  /** The set this one shares parts with or continues. */
  baseId: z.string().nullable(),
  recipients: z.array(z.string()),
  compressionLevel: z.int(),
  parts: z.array(part),
  warnings: z.array(z.string()),
  /** SHA-256 of this manifest with the digest left empty. */
  digest: z.string(),
};

export const manifestSchema = z.discriminatedUnion('kind', [
  z.strictObject({ ...common, kind: z.literal('database'), database }),
  z.strictObject({ ...common, kind: z.literal('files'), files }),
]);
export type Manifest = z.infer<typeof manifestSchema>;
export type DatabaseManifest = Extract<Manifest, { kind: 'database' }>;
export type FilesManifest = Extract<Manifest, { kind: 'files' }>;
export type SetKind = Manifest['kind'];

/** The one part of a role of which a set has at most one: not for rows. */
export function partOf(manifest: Manifest, role: Part['role']): Part | undefined {
  return manifest.parts.find(part => part.role === role);
}

/** The manifest as it is stored, its digest filled in. */
export function serializeManifest(manifest: Manifest): { text: string; manifest: Manifest } {
  const digest = digestOf(manifest);
  const sealed = { ...manifest, digest };
  return { text: `${JSON.stringify(sealed, null, 1)}\n`, manifest: sealed };
}

/**
 * Reads a stored manifest and checks it against its digest and the place it was found in.
 * @throws OpsError `SET_DAMAGED`
 */
export function parseManifest(text: string, place: { kind: SetKind; id: string }): Manifest {
  const damaged = (why: string, cause?: unknown) =>
    new OpsError('SET_DAMAGED', `The manifest of ${place.kind} set ${place.id} ${why}`, {
      hint: 'Use another set, or the same set from another destination; its parts may still be whole.',
      cause,
    });
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw damaged('is not valid JSON', cause);
  }
  const parsed = manifestSchema.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw damaged(`breaks its schema at '${issue?.path.join('.')}': ${issue?.message}`);
  }
  const manifest = parsed.data;
  if (digestOf(manifest) !== manifest.digest) throw damaged('does not match its digest: it was altered');
  if (manifest.id !== place.id || manifest.kind !== place.kind) {
    throw damaged(`belongs to ${manifest.kind} set ${manifest.id}: it was swapped`);
  }
  return manifest;
}

function digestOf(manifest: Manifest): string {
  const body = canonical({ ...manifest, digest: '' });
  return `sha256:${createHash('sha256').update(body).digest('hex')}`;
}

/** JSON with sorted keys, so that the digest does not depend on the order in which they were written. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, v: unknown) =>
    typeof v === 'object' && v !== null && !Array.isArray(v)
      ? Object.fromEntries(Object.entries(v).sort(([a], [b]) => (a < b ? -1 : 1)))
      : v,
  );
}
