import { type ArchiveTarget, refuse } from './batch.ts';
import { archiveDocKey } from './keys.ts';
import { type ArchiveOwner, ownerLine } from './owner.ts';

/**
 * Written before the first batch, so that whatever is found can be put back without this project, and says whose it is.
 * @throws OpsError `ARCHIVE_FAILED`
 */
export async function writeArchiveDoc({ storages, id, owner, recipients, signal }: ArchiveTarget): Promise<void> {
  const text = archiveDoc(id, owner, recipients.length > 0);
  for (const storage of storages) {
    await storage.put(archiveDocKey(id), Buffer.from(text), { signal }).catch(refuse(storage));
  }
}

function archiveDoc(id: string, owner: ArchiveOwner, isEncrypted: boolean): string {
  const open = isEncrypted ? 'age -d -i identity.txt 000001.sql.zst.age | zstd -d' : 'zstd -d -c 000001.sql.zst';
  const files = isEncrypted ? '*.sql.zst.age' : '*.sql.zst';
  const each = isEncrypted ? 'age -d -i identity.txt "$f" | zstd -d' : 'zstd -d -c "$f"';
  return `# Rows that the clean-up ${id} deleted

Each batch is an SQL script and a manifest beside it, which says of which tables it holds how many rows and why they were
deleted. A script without a manifest is of a batch that was cut off: its rows were not deleted.

Look at one:

    ${open} | less

Put the rows of one batch back (what is there already stays as it is):

    ${open} | psql -X -v ON_ERROR_STOP=1 "$DATABASE_URL"

All of them, the last batch first, since rows that others refer to were deleted later:

    for f in $(ls -r ${files}); do ${each} | psql -X -v ON_ERROR_STOP=1 "$DATABASE_URL" || break; done

SHA-256 of a file must be \`part.storedSha256\` of its manifest: \`sha256sum ${files}\`.
A table without a primary key or another unique key takes each row as often as it is put back.

${ownerLine(owner)}
`;
}
