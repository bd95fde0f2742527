import type { OpsContext } from '../context/index.ts';
import { OpsError } from '../errors/index.ts';
import { formatCount } from '../log/index.ts';
import { idTime } from '../reports/index.ts';
import type { Storage } from '../storage/index.ts';
import { type ArchiveOptions, type ArchiveResult, archiveFiles } from './files/archive-files.ts';
import { locateRoots, type RootPlan } from './files/roots.ts';
import { mostUnread } from './files/tar-warnings.ts';
import { type MadeSet, makeSet } from './make-set.ts';
import { readPart } from './parts/part-reader.ts';
import type { Destination } from './parts/part-writer.ts';
import { recipientsOf } from './recipients.ts';
import { partFolder } from './sets/keys.ts';
import { type FilesManifest, partOf } from './sets/manifest.ts';

/** Sets of files have one source: what belongs together is backed up together. */
export const filesSource = 'files';

/**
 * The folders of `backup.files.paths` into one set: a full one, or what changed since the set before. A set lists every
 * part that restoring it takes, those of its ancestors first, so that nothing has to follow a chain.
 * @throws OpsError as `makeSet`, `locateRoots` and `archiveFiles`
 */
export async function backupFiles(context: OpsContext, storages: readonly Storage[]): Promise<MadeSet<FilesManifest>> {
  const { files, compressionLevel } = context.config.backup;
  const plan = await locateRoots(files.paths, context.cwd);
  const recipients = recipientsOf(context);
  return makeSet<FilesManifest>(context, storages, {
    kind: 'files',
    source: filesSource,
    mayBuildOn: base => mayBuildOn(base, plan, context),
    async make({ id, destinations, base }) {
      const snapshotAt = context.now().toISOString();
      const { signal, log, progress } = context;
      const work = { plan, exclude: files.exclude, recipients, compressionLevel, destinations, log, progress, signal };
      const sent = await archiveOnto(base, { ...work, partFolder: partFolder('files', id) });
      const ancestors = sent.base?.parts.filter(part => part.role !== 'state') ?? [];
      const { parts, warnings, ...counts } = sent.archive;
      return {
        snapshotAt,
        baseId: sent.base?.id ?? null,
        parts: [...ancestors.map(part => ({ ...part, isReused: true })), ...parts],
        warnings: [...emptied(counts, sent.base), ...warnings],
        files: {
          roots: plan.roots,
          members: plan.members,
          exclude: files.exclude,
          level: sent.base ? sent.base.files.level + 1 : 0,
          fullSetId: sent.base?.files.fullSetId ?? id,
          ...counts,
        },
      };
    },
  });
}

/** Whether an incremental set may be made, or why not. Judged by time, never by the number of runs. */
export function mayBuildOn(
  base: FilesManifest,
  plan: Pick<RootPlan, 'roots'>,
  context: Pick<OpsContext, 'config' | 'now'>,
): true | string {
  const { files } = context.config.backup;
  const same = (a: readonly string[], b: readonly string[]) => [...a].sort().join('\0') === [...b].sort().join('\0');
  if (!same(base.recipients, recipientsOf(context))) return 'the recipients have changed';
  if (!same(base.files.roots, plan.roots)) return 'the folders have changed';
  if (!same(base.files.exclude, files.exclude)) return 'what is excluded has changed';
  if (base.files.unreadEntries >= mostUnread) return `set ${base.id} could not read too many files`;
  const now = context.now().getTime();
  // tar goes by times: with a clock that was put back it would take changed files for old ones.
  if (now < Date.parse(base.snapshotAt)) return `set ${base.id} is from the future of this machine's clock`;
  const ageDays = (now - idTime(base.files.fullSetId).getTime()) / 86_400_000;
  return ageDays < files.fullEveryDays ? true : `everything is sent at least every ${files.fullEveryDays} days`;
}

/** Makes a full set instead where what the base left for its successor cannot be read. */
async function archiveOnto(
  base: FilesManifest | undefined,
  work: Omit<ArchiveOptions, 'level' | 'state'> & { destinations: readonly Destination[] },
): Promise<{ archive: ArchiveResult; base: FilesManifest | undefined }> {
  const state = base && partOf(base, 'state');
  const storage = work.destinations.find(destination => !destination.failure)?.storage;
  if (base && state && storage) {
    try {
      const read = readPart(storage, state, { identities: [], signal: work.signal });
      const archive = await archiveFiles({ ...work, level: base.files.level + 1, state: read });
      return { archive, base };
    } catch (error) {
      if (!(error instanceof OpsError) || !['FILES_STATE', 'SET_DAMAGED'].includes(error.code)) throw error;
      work.log.warn(`A full set is made: ${error.message}`);
    }
  }
  return { archive: await archiveFiles({ ...work, level: 0, state: undefined }), base: undefined };
}

/** An empty folder after a full one is what a mount that is missing looks like. */
function emptied(counts: { entries: number }, base: FilesManifest | undefined): string[] {
  if (!base || base.files.entries <= base.files.roots.length || counts.entries > base.files.roots.length) return [];
  const before = formatCount(base.files.entries);
  return [`Every folder is empty, and had ${before} entries in set ${base.id}. Is the right disk mounted?`];
}
