import { z } from 'zod';
import { OpsError } from '../../errors/index.ts';
import { idTime } from '../../reports/index.ts';
import type { Storage } from '../../storage/index.ts';
import { manifestKey, proofFolder, type SetAddress, setFolder, setOfManifestKey } from './keys.ts';
import { type Manifest, parseManifest, type SetKind } from './manifest.ts';
import { readSmall } from './read-small.ts';

/** What a drill or `verify --level restore` found; kept beside the set, so that retention knows which sets are proved. */
export const proofSchema = z.strictObject({
  schema: z.literal('production-ops/proof/1'),
  verdict: z.enum(['PROVED', 'FAILED', 'COULD NOT VERIFY']),
  at: z.iso.datetime(),
  reportId: z.string(),
  findings: z.array(z.string()),
});
export type Proof = z.infer<typeof proofSchema>;
export type Verdict = Proof['verdict'];

/** Sets in a destination, newest first: those with a manifest, whole or not. */
export async function listSets(storage: Storage, kind: SetKind, signal?: AbortSignal): Promise<SetAddress[]> {
  const sets: SetAddress[] = [];
  for await (const object of storage.list(`sets/${kind}/`, signal && { signal })) {
    const address = setOfManifestKey(object.key);
    if (address) sets.push(address);
  }
  return sets.sort((a, b) => (a.id < b.id ? 1 : -1));
}

/** @throws OpsError `SET_UNKNOWN`, `SET_DAMAGED` */
export async function readManifest(storage: Storage, address: SetAddress, signal?: AbortSignal): Promise<Manifest> {
  let text: string;
  try {
    text = await readSmall(storage, manifestKey(address.kind, address.id), signal);
  } catch (error) {
    if (error instanceof OpsError && error.code === 'STORAGE_NOT_FOUND') throw unknownSet(address.id, storage, error);
    throw error;
  }
  return parseManifest(text, address);
}

/**
 * The set a person means: an id, or `latest` of a kind and, when several sources share the destination, of a source.
 * A damaged manifest is passed over by `latest` only with a word to `warn`, never in silence.
 * @throws OpsError `SET_UNKNOWN`, `SET_NONE`, `SET_AMBIGUOUS`, `SET_DAMAGED`
 */
export async function findSet(
  storage: Storage,
  wanted: { kind: SetKind; id: string; source?: string | undefined },
  options: { signal?: AbortSignal; warn: (message: string) => void },
): Promise<Manifest> {
  if (wanted.id !== 'latest') {
    return readManifest(storage, { kind: wanted.kind, id: wanted.id }, options.signal);
  }
  const newest = new Map<string, Manifest>();
  let damaged: OpsError | undefined;
  for (const address of await listSets(storage, wanted.kind, options.signal)) {
    try {
      const manifest = await readManifest(storage, address, options.signal);
      if (wanted.source !== undefined && manifest.source === wanted.source) return manifest;
      if (!newest.has(manifest.source)) newest.set(manifest.source, manifest);
    } catch (error) {
      if (!(error instanceof OpsError) || error.code !== 'SET_DAMAGED') throw error;
      damaged ??= error;
      options.warn(`${error.message}; looking at the one before it`);
    }
  }
  const sources = [...newest.keys()].sort();
  // Sets that cannot be read are not the same as no sets.
  if (sources.length === 0 && damaged) throw damaged;
  if (wanted.source !== undefined || sources.length === 0) {
    const of = wanted.source === undefined ? '' : ` of ${wanted.source}`;
    throw new OpsError('SET_NONE', `There is no ${wanted.kind} set${of} in ${storage.name}`, {
      hint: sources.length > 0 ? `There are sets of: ${sources.join(', ')}.` : `Make one: ops backup ${wanted.kind}.`,
    });
  }
  if (sources.length > 1) {
    throw new OpsError('SET_AMBIGUOUS', `'latest' could be of ${sources.join(' or ')}`, {
      hint: `Say which with --source ${sources[0]}, or give a set id from: ops backup list.`,
      exit: 'usage',
    });
  }
  return newest.get(sources[0]!)!;
}

export async function readProofs(storage: Storage, address: SetAddress, signal?: AbortSignal): Promise<Proof[]> {
  const proofs: Proof[] = [];
  for await (const object of storage.list(proofFolder(address.kind, address.id), signal && { signal })) {
    const parsed = proofSchema.safeParse(tryJson(await readSmall(storage, object.key, signal)));
    if (parsed.success) proofs.push(parsed.data);
  }
  return proofs.sort((a, b) => (a.at < b.at ? -1 : 1));
}

export async function writeProof(storage: Storage, address: SetAddress, proof: Proof): Promise<void> {
  const key = `${proofFolder(address.kind, address.id)}${proof.reportId}.json`;
  await storage.put(key, Buffer.from(`${JSON.stringify(proof, null, 1)}\n`));
}

/**
 * Removes a set: its manifest first, so that from then on it does not exist, then what describes it. Parts are not
 * touched; whoever prunes knows which other sets need them.
 */
export async function removeSet(storage: Storage, address: SetAddress, signal?: AbortSignal): Promise<void> {
  await storage.remove(manifestKey(address.kind, address.id), signal && { signal });
  for await (const object of storage.list(setFolder(address.kind, address.id), signal && { signal })) {
    await storage.remove(object.key, signal && { signal });
  }
}

export function setTime(address: SetAddress): Date {
  return idTime(address.id);
}

function unknownSet(id: string, storage: Storage, cause: unknown): OpsError {
  return new OpsError('SET_UNKNOWN', `There is no set ${id} in ${storage.name}`, {
    hint: 'List what there is with: ops backup list.',
    cause,
  });
}

function tryJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
