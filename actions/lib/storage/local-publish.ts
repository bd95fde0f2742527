import { createHash } from 'node:crypto';
import { link, open, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { temporaryLead } from './key.ts';
import { isErrno } from './local-errors.ts';

/**
 * Publishes a finished temporary file as `target` unless that exists; false when it does. Exactly one of several
 * writers wins. The temporary file is gone after success and stays otherwise.
 * @param makeLink link(2), which fails where the target exists; a parameter, so that its absence can be tried
 */
export async function linkOrClaim(temporary: string, target: string, makeLink = link): Promise<boolean> {
  try {
    await makeLink(temporary, target);
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return false;
    // exFAT, many SMB shares and many FUSE file systems have no hard links.
    if (isErrno(error, 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS')) return renameUnderClaim(temporary, target);
    throw error;
  }
  await rm(temporary, { force: true });
  return true;
}

/** A claim covers one stat and one rename: one this old belongs to a process that died. */
const staleClaimMs = 60_000;

/** Without links: whoever creates the claim file, which the file system allows once, may look and then rename. */
async function renameUnderClaim(temporary: string, target: string): Promise<boolean> {
  const digest = createHash('sha256').update(basename(target)).digest('hex').slice(0, 32);
  const claim = join(dirname(target), `${temporaryLead}claim-${digest}`);
  if (!(await create(claim))) {
    const held = await stat(claim).catch(() => undefined);
    if (!held || Date.now() - held.mtimeMs < staleClaimMs) return false;
    await rm(claim, { force: true });
    if (!(await create(claim))) return false;
  }
  try {
    if (await stat(target).catch(() => undefined)) return false;
    await rename(temporary, target);
    return true;
  } finally {
    await rm(claim, { force: true });
  }
}

async function create(path: string): Promise<boolean> {
  try {
    await (await open(path, 'wx', 0o600)).close();
    return true;
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return false;
    throw error;
  }
}
