import { OpsError } from '../errors/index.ts';

export interface FtpAddress {
  host: string;
  port: number;
  user: string;
  password: string;
  /** Explicit TLS (AUTH TLS) on control and data connections. */
  secure: boolean;
  /** Decoded path: relative to where the login leads, absolute for `ftp://host//path` (RFC 1738, as curl does). */
  path: string;
}

/**
 * Reads `ftp://user:password@host[:port]/path`; `ftps://` is the same with explicit TLS. User, password and path are
 * percent-decoded. @throws OpsError `CONFIG_INVALID`, without the URL, which holds the password
 */
export function parseFtpUrl(text: string): FtpAddress {
  const url = URL.parse(text);
  if (!url || !['ftp:', 'ftps:'].includes(url.protocol) || url.hostname === '') {
    throw invalid('is not of the form ftp://user:password@host/path or ftps://…');
  }
  try {
    const path = decodeURIComponent(url.pathname).replace(/^\//, '');
    if (/[\u0000-\u001f\u007f]/.test(path) || path.split('/').includes('..')) throw invalid('has an unusable path');
    return {
      host: url.hostname.replace(/^\[|\]$/g, ''),
      port: Number(url.port) || 21,
      user: decodeURIComponent(url.username) || 'anonymous',
      password: decodeURIComponent(url.password) || 'guest',
      secure: url.protocol === 'ftps:',
      path: path.replace(/\/+$/, path === '/' ? '/' : ''),
    };
  } catch (error) {
    if (error instanceof OpsError) throw error;
    throw invalid('has a % that begins no percent-encoded byte');
  }
}

function invalid(fault: string): OpsError {
  return new OpsError('CONFIG_INVALID', `The FTP address (BACKUP_FTP_URL) ${fault}`, {
    hint: 'Percent-encode special characters in user and password, e.g. @ as %40 and % as %25.',
    exit: 'usage',
  });
}
