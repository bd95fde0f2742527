import { z } from 'zod';
import type { Storage } from '../../storage/index.ts';
import type { Manifest } from '../sets/manifest.ts';

/** The set that a restore or a drill took, and where from, as their reports name it. */
export const chosenSetSchema = z.strictObject({
  kind: z.enum(['database', 'files']),
  id: z.string(),
  source: z.string(),
  snapshotAt: z.iso.datetime(),
  storage: z.string(),
});
export type ChosenSet = z.infer<typeof chosenSetSchema>;

export function chosenSet({ kind, id, source, snapshotAt }: Manifest, storage: Storage): ChosenSet {
  return { kind, id, source, snapshotAt, storage: storage.name };
}
