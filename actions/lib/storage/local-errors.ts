import { OpsError } from '../errors/index.ts';

/** What the file system refused, as an `OpsError`. `what` continues "Could not …". */
export function localError(error: unknown, what: string): OpsError {
  if (error instanceof OpsError) return error;
  const { code, hint } = meaningOf(error);
  const reason = error instanceof Error ? error.message.replace(/, \w+ '.*$|, \w+$/, '') : String(error);
  return new OpsError(code, `Could not ${what}: ${reason}`, { cause: error, ...(hint && { hint }) });
}

export function isErrno(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}

function meaningOf(error: unknown): { code: string; hint?: string } {
  if (isErrno(error, 'ENOSPC', 'EDQUOT', 'EFBIG')) {
    return { code: 'STORAGE_FULL', hint: 'Free space there, or keep fewer sets (backup.retention).' };
  }
  if (isErrno(error, 'EACCES', 'EPERM', 'EROFS')) {
    return { code: 'STORAGE_DENIED', hint: 'The folder must be writable for the user that runs this.' };
  }
  if (isErrno(error, 'EIO', 'ESTALE', 'ETIMEDOUT', 'ENOTCONN', 'EHOSTDOWN', 'ENODEV', 'ENXIO', 'ENOTDIR')) {
    return { code: 'STORAGE_UNREACHABLE', hint: 'Check the disk or the network mount behind the folder.' };
  }
  if (isErrno(error, 'ENAMETOOLONG')) return { code: 'STORAGE_KEY' };
  if (isErrno(error, 'ENOENT')) return { code: 'STORAGE_NOT_FOUND' };
  return { code: 'STORAGE_FAILED' };
}
