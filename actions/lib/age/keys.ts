import { Decrypter, Encrypter, generateX25519Identity, identityToRecipient } from 'age-encryption';
import { OpsError } from '../errors/index.ts';

/**
 * The recipients in a text where commas, spaces or lines separate them, each once; `#` begins a comment line.
 * @returns at least one: a list that was meant to encrypt and names nobody must not pass for "not encrypted"
 * @throws OpsError `AGE_RECIPIENT`
 */
export function parseRecipients(text: string): string[] {
  const recipients = contentLines(text).flatMap(line => line.split(/[\s,]+/).filter(word => word !== ''));
  requireRecipients(recipients);
  return [...new Set(recipients)];
}

/**
 * The identities in a text with one on each line, such as the file that `age-keygen` writes.
 * @returns at least one, each once
 * @throws OpsError `AGE_IDENTITY`; its message never holds any of the text
 */
export function parseIdentities(text: string): string[] {
  const identities = contentLines(text);
  requireIdentities(identities);
  return [...new Set(identities)];
}

/**
 * The recipient (`age1…`) that belongs to an identity.
 * @throws OpsError `AGE_IDENTITY`
 */
export async function recipientOf(identity: string): Promise<string> {
  requireIdentities([identity]);
  return await identityToRecipient(identity);
}

/** A new `AGE-SECRET-KEY-1…`. */
export async function generateIdentity(): Promise<string> {
  return await generateX25519Identity();
}

/** @throws OpsError `AGE_RECIPIENT` unless there are recipients and all of them are X25519 */
export function requireRecipients(recipients: readonly string[]): void {
  const usage = {
    hint: 'Set BACKUP_AGE_RECIPIENTS to the age1… recipients that age-keygen prints, separated by commas.',
    exit: 'usage',
  } as const;
  if (recipients.length === 0) throw new OpsError('AGE_RECIPIENT', 'No age recipient is given', usage);
  for (const [index, recipient] of recipients.entries()) {
    const why = whyNotRecipient(recipient);
    if (why) throw new OpsError('AGE_RECIPIENT', `Recipient ${index + 1} of ${recipients.length} ${why}`, usage);
  }
}

/** @throws OpsError `AGE_IDENTITY` unless there are identities and all of them are X25519 */
export function requireIdentities(identities: readonly string[]): void {
  const usage = {
    hint: 'Set BACKUP_AGE_IDENTITY to the AGE-SECRET-KEY-1… line that age-keygen wrote, or to its whole file.',
    exit: 'usage',
  } as const;
  if (identities.length === 0) throw new OpsError('AGE_IDENTITY', 'No age identity is given', usage);
  for (const [index, identity] of identities.entries()) {
    const why = whyNotIdentity(identity);
    if (why) throw new OpsError('AGE_IDENTITY', `Identity ${index + 1} of ${identities.length} ${why}`, usage);
  }
}

// 32 bytes in bech32: 52 characters and a checksum of 6. That leaves out the post-quantum and plugin kinds, which an
// age 1.1 without plugins cannot read.
const recipientShape = /^age1[02-9ac-hj-np-z]{58}$/;
const identityShape = /^AGE-SECRET-KEY-1[02-9AC-HJ-NP-Z]{58}$/;

// The words given are never repeated: each may be a secret in the wrong place, or half of one.

function whyNotRecipient(text: string): string | undefined {
  if (/^age-secret-key-/i.test(text))
    return 'is an identity (a secret key); anyone who has seen it where recipients stand can read the backups';
  if (!recipientShape.test(text)) return 'is not an X25519 recipient (age1 and 58 characters)';
  return isAccepted(() => new Encrypter().addRecipient(text)) ? undefined : 'has a typing error (wrong checksum)';
}

function whyNotIdentity(text: string): string | undefined {
  if (text.startsWith('age1')) return 'is a recipient (a public key), which cannot decrypt';
  if (!identityShape.test(text)) return 'is not an X25519 identity (AGE-SECRET-KEY-1 and 58 characters)';
  return isAccepted(() => new Decrypter().addIdentity(text)) ? undefined : 'has a typing error (wrong checksum)';
}

/** The library's own message is dropped: that of a wrong checksum quotes the whole key. */
function isAccepted(add: () => void): boolean {
  try {
    add();
    return true;
  } catch {
    return false;
  }
}

function contentLines(text: string): string[] {
  return text
    .split(/\r?\n/)
    .map(line => line.trim())
    .filter(line => line !== '' && !line.startsWith('#'));
}
