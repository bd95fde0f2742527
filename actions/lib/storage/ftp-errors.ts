import { FTPError } from 'basic-ftp';
import { OpsError } from '../errors/index.ts';

/**
 * What an FTP server or the way to it failed with, as an `OpsError`.
 * @param what continues "Could not …"
 * @param password blotted out: nothing stops a server from repeating what it was sent
 */
export function ftpError(error: unknown, what: string, password: string): OpsError {
  if (error instanceof OpsError) return error;
  const { code, hint } = meaningOf(error);
  const said = error instanceof Error ? error.message : String(error);
  const reason = password.length < 4 ? said : said.replaceAll(password, '***');
  return new OpsError(code, `Could not ${what}: ${reason}`, { cause: error, ...(hint && { hint }) });
}

/** The server answered in an orderly way, so the connection is still usable. */
export function isReply(error: unknown): boolean {
  return error instanceof FTPError && error.code !== 421;
}

/** True when the same command may well succeed on a fresh connection. */
export function isTransient(error: unknown): boolean {
  if (error instanceof OpsError) return false;
  // 421 closing, 425 and 426 the data connection, 450 and 451 busy
  if (error instanceof FTPError) return [421, 425, 426, 450, 451].includes(error.code);
  return !isCertificateFault(error);
}

/** 550 is all that FTP has for "not there"; servers also use it for "not allowed", told apart by their words. */
export function isNotFound(error: unknown): boolean {
  return error instanceof FTPError && error.code === 550 && (absentWords.test(error.message) || !isDenial(error));
}

/** The server does not accept the name to write to: its folder is gone, or it exists already. */
export function isTargetRefused(error: unknown): boolean {
  return error instanceof FTPError && [550, 553].includes(error.code);
}

const absentWords = /no such|not found|not exist|cannot find/i;
const deniedWords = /denied|permission|not allowed|forbidden|read.?only|not enough privileges/i;
const fullWords = /no space|disk full|quota|insufficient/i;

function meaningOf(error: unknown): { code: string; hint?: string } {
  if (!(error instanceof FTPError)) {
    const hint = isCertificateFault(error)
      ? 'The certificate is not trusted. Give its authority as `ca`, or in NODE_EXTRA_CA_CERTS.'
      : 'Check the host, the port, the firewall (passive ports too) and whether the server runs.';
    return { code: 'STORAGE_UNREACHABLE', hint };
  }
  if (error.code === 452 || error.code === 552 || fullWords.test(error.message)) {
    return { code: 'STORAGE_FULL', hint: 'Free space there, or keep fewer sets (backup.retention).' };
  }
  if ([530, 532, 534, 535].includes(error.code)) {
    return { code: 'STORAGE_DENIED', hint: 'Check user and password in BACKUP_FTP_URL (percent-encoded).' };
  }
  if (absentWords.test(error.message)) return { code: 'STORAGE_NOT_FOUND' };
  if (isDenial(error)) {
    const hint = /\b(SSL|TLS)\b/.test(error.message)
      ? 'The server wants TLS: write ftps:// instead of ftp://.'
      : 'The user must be allowed to write and rename in this folder.';
    return { code: 'STORAGE_DENIED', hint };
  }
  if ([421, 425, 426].includes(error.code)) {
    return { code: 'STORAGE_UNREACHABLE', hint: 'The server is closing or overloaded; run it again later.' };
  }
  return { code: 'STORAGE_FAILED' };
}

function isDenial(error: FTPError): boolean {
  return error.code === 553 || deniedWords.test(error.message) || /\b(SSL|TLS)\b/.test(error.message);
}

function isCertificateFault(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  // basic-ftp also rejects with Node's bare `authorizationError`, a string or an Error.
  return /CERT|SELF_SIGNED|ALTNAME|UNABLE_TO_VERIFY/.test(`${code} ${error}`);
}
