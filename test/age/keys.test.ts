import { beforeAll, describe, expect, test } from 'vitest';
import {
  ageDecryptStream,
  createAgeEncryptor,
  generateIdentity,
  parseIdentities,
  parseRecipients,
  recipientOf,
} from '../../actions/lib/age/index.ts';
import { ExitCode, OpsError } from '../../actions/lib/errors/index.ts';

let identities: string[];
let recipients: string[];

beforeAll(async () => {
  identities = [await generateIdentity(), await generateIdentity()];
  recipients = await Promise.all(identities.map(recipientOf));
});

describe('recipients', () => {
  test.each([
    ['commas', (a: string, b: string) => `${a},${b}`],
    ['commas and spaces', (a: string, b: string) => ` ${a} , ${b} `],
    ['spaces', (a: string, b: string) => `${a} ${b}`],
    ['lines of a Windows file', (a: string, b: string) => `${a}\r\n\r\n${b}\r\n`],
    ['lines with comments', (a: string, b: string) => `# on call\n${a}\n  # the safe, and others\n${b}\n`],
    ['a trailing comma', (a: string, b: string) => `${a},${b},`],
    ['a repetition', (a: string, b: string) => `${a},${b},${a}`],
  ])('are read with %s', (_separator, text) => {
    const [a, b] = recipients as [string, string];
    expect(parseRecipients(text(a, b))).toEqual([a, b]);
  });

  test.each(['', ' \n', ',', '# age1…'])('%j names nobody, and that is an error and not "no encryption"', text => {
    expect(usageError(() => parseRecipients(text))).toMatchObject({
      code: 'AGE_RECIPIENT',
      message: 'No age recipient is given',
    });
  });

  test('a typing error is found by the checksum, and the recipient is named by its number', () => {
    const [a, b] = recipients as [string, string];
    expect(usageError(() => parseRecipients(`${a},${mistyped(b)}`))).toMatchObject({
      code: 'AGE_RECIPIENT',
      message: 'Recipient 2 of 2 has a typing error (wrong checksum)',
    });
  });

  test.each([
    'age1',
    'bob@example.org',
    'ssh-ed25519',
    `age1pq1${'q'.repeat(1900)}`,
    `age1yubikey1${'q'.repeat(60)}`,
    'AGE1QQQQ',
  ])('%.20s is not an X25519 recipient', text => {
    expect(usageError(() => parseRecipients(text)).message).toContain('is not an X25519 recipient');
  });

  test('a secret key where a recipient belongs is refused, warned about and not repeated', () => {
    const error = usageError(() => parseRecipients(identities[0]!));
    expect(error.code).toBe('AGE_RECIPIENT');
    expect(error.message).toContain('is an identity (a secret key)');
    expectNothingOf(identities[0]!, error);
  });

  test('the encryptor takes only a list that the parser would give', async () => {
    await expect(createAgeEncryptor([])).rejects.toMatchObject({ code: 'AGE_RECIPIENT' });
    await expect(createAgeEncryptor([recipients[0]!, 'age1'])).rejects.toMatchObject({ code: 'AGE_RECIPIENT' });
  });

  test('a point with which no secret can be agreed is refused, though it is spelled right', async () => {
    const zeroPoint = `age1${'q'.repeat(52)}5cu47z`;
    expect(parseRecipients(zeroPoint)).toEqual([zeroPoint]);
    await expect(createAgeEncryptor([zeroPoint])).rejects.toMatchObject({
      code: 'AGE_RECIPIENT',
      message: expect.stringContaining('no key can be agreed'),
    });
  });
});

describe('identities', () => {
  test('are read one to a line, without comments, blank lines and repetitions', () => {
    const [a, b] = identities as [string, string];
    const text = `# created: 2026-11-23T02:00:00Z\n# public key: ${recipients[0]}\n${a}\r\n\n  ${b}  \n${a}`;
    expect(parseIdentities(text)).toEqual([a, b]);
  });

  test.each(['', '\n\n', '# public key: age1…'])('%j holds none', text => {
    expect(usageError(() => parseIdentities(text)).message).toBe('No age identity is given');
  });

  test.each([
    ['mistyped', (key: string) => mistyped(key), 'has a typing error'],
    ['cut short', (key: string) => key.slice(0, -3), 'is not an X25519 identity'],
    ['in lower case', (key: string) => key.toLowerCase(), 'is not an X25519 identity'],
    ['quoted', (key: string) => `"${key}"`, 'is not an X25519 identity'],
    ['with its own name before it', (key: string) => `BACKUP_AGE_IDENTITY=${key}`, 'is not an X25519 identity'],
  ])('one that is %s is refused, and no piece of it is in the error', (_how, spoil, message) => {
    const error = usageError(() => parseIdentities(`${identities[0]}\n${spoil(identities[1]!)}`));
    expect(error.code).toBe('AGE_IDENTITY');
    expect(error.message).toContain(`Identity 2 of 2 ${message}`);
    expectNothingOf(identities[1]!, error);
  });

  test('a recipient where an identity belongs is told apart', () => {
    expect(usageError(() => parseIdentities(recipients[0]!)).message).toContain('is a recipient (a public key)');
  });

  test('a decrypting stream is not made with malformed ones', () => {
    expect(usageError(() => ageDecryptStream([])).code).toBe('AGE_IDENTITY');
    expect(usageError(() => ageDecryptStream([recipients[0]!])).code).toBe('AGE_IDENTITY');
  });

  test('a malformed one has no recipient', async () => {
    await expect(recipientOf(mistyped(identities[0]!))).rejects.toMatchObject({ code: 'AGE_IDENTITY' });
  });
});

function usageError(work: () => unknown): OpsError {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(OpsError);
    expect(error).toMatchObject({ exitCode: ExitCode.usage, hint: expect.stringContaining('BACKUP_AGE_') });
    return error as OpsError;
  }
  throw new Error('nothing was refused');
}

function mistyped(key: string): string {
  const last = key.at(-1)!;
  const other = last.toLowerCase() === 'q' ? 'p' : 'q';
  return key.slice(0, -1) + (key === key.toUpperCase() ? other.toUpperCase() : other);
}

/** No six characters in a row of the key's own part, in any letter case, wherever an error can carry text. */
function expectNothingOf(key: string, error: OpsError): void {
  const text = [error.message, error.hint, error.stack, String(error.cause)].join('\n').toUpperCase();
  const secret = key.slice('AGE-SECRET-KEY-1'.length).toUpperCase();
  for (let at = 0; at + 6 <= secret.length; at++) expect(text).not.toContain(secret.slice(at, at + 6));
}
