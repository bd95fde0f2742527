import { z } from 'zod';

/** Whose rows an archive holds. One destination may serve several platforms, and a name of a database is soon used twice. */
const ownerSchema = z.strictObject({ platform: z.string(), database: z.string() });
export type ArchiveOwner = z.infer<typeof ownerSchema>;

/** A line of RESTORE.md. A name cannot end the comment that it stands in. */
export function ownerLine({ platform, database }: ArchiveOwner): string {
  return `<!-- production-ops archive ${Buffer.from(JSON.stringify({ platform, database })).toString('base64url')} -->`;
}

/** Undefined when the document does not say. */
export function ownerIn(document: string): ArchiveOwner | undefined {
  const [, encoded] = /^<!-- production-ops archive ([\w-]+) -->$/m.exec(document) ?? [];
  if (encoded === undefined) return undefined;
  try {
    return ownerSchema.safeParse(JSON.parse(Buffer.from(encoded, 'base64url').toString())).data;
  } catch {
    return undefined;
  }
}
