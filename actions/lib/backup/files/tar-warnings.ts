import { OpsError } from '../../errors/index.ts';

export interface TarVerdict {
  /** One line each, at most `mostWarnings`; then how many more there were. */
  warnings: string[];
  warningCount: number;
  /** Paths (as in the archive, latin1) whose content could not be read: the next run has to try again. */
  unread: Set<string>;
}

/** Enough to see what is wrong; a report is not the place for a million lines. */
export const mostWarnings = 50;
/** More unread files than this are not remembered one by one. */
export const mostUnread = 100_000;

/** Said in passing. A socket has no content, and its program makes a new one. */
const silent = [
  /: (socket|door) ignored$/,
  /: Directory is new$/,
  /: Directory has been renamed( from .*)?$/,
  /^(POSIX ACL|XATTR|SELinux) support is not available$/,
  /^Exiting with failure status due to previous errors$/,
];
const unread = /^(.*): (?:Warning: )?Cannot [a-z ]+: (?:Permission denied|No such file or directory)$/;
const vanished = /^(.*): File removed before we read it$/;
const harmless = [
  unread,
  vanished,
  /: file changed as we read it$/,
  /: [Ff]ile shrank by \d+ bytes?; padding with zeros$/,
  /: (?:Warning: )?Cannot \S*(xattr|acl)\S*.*: Operation not supported$/i,
];

/**
 * What tar's end and words mean for the archive. On a living platform files change, vanish and are locked: that is a
 * warning each. A disk that cannot be read is not: tar fills up what it could not read with zeros.
 * @param exitCode 0, 1 (some files changed) or 2 (an error, after which tar may have gone on)
 * @throws OpsError `FILES_TAR`
 */
export async function judgeTar(exitCode: number, stderr: AsyncIterable<string>): Promise<TarVerdict> {
  const verdict: TarVerdict = { warnings: [], warningCount: 0, unread: new Set() };
  let lastLine = '';
  for await (const raw of stderr) {
    const line = raw.replace(/^(\S*\/)?g?tar: /, '').trim();
    if (line === '') continue;
    lastLine = line;
    if (silent.some(pattern => pattern.test(line))) continue;
    if (exitCode > 1 && !harmless.some(pattern => pattern.test(line))) throw failed(line);
    verdict.warningCount++;
    if (verdict.warnings.length < mostWarnings) verdict.warnings.push(line);
    const path = (unread.exec(line) ?? vanished.exec(line))?.[1];
    if (path !== undefined && verdict.unread.size < mostUnread) verdict.unread.add(unquote(path));
  }
  if (exitCode > 1 && verdict.warningCount === 0) throw failed(lastLine || `exit code ${exitCode}`);
  const more = verdict.warningCount - verdict.warnings.length;
  if (more > 0) verdict.warnings.push(`and ${more} more of this kind`);
  return verdict;
}

/** tar's own escapes, which it uses in its messages in the C locale (manual, "Quoting Member Names", style escape). */
export function unquote(quoted: string): string {
  const named: Record<string, string> = { a: '\x07', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' };
  return quoted.replace(/\\([0-7]{3}|.)/g, (_all, code: string) =>
    code.length === 3 ? String.fromCharCode(Number.parseInt(code, 8)) : (named[code] ?? code),
  );
}

function failed(line: string): OpsError {
  return new OpsError('FILES_TAR', `tar could not read the files: ${line}`, {
    hint: 'Nothing was kept of this run. See to what tar names, and run it again.',
  });
}
