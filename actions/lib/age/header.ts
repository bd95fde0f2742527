import { type KeyObject, randomBytes } from 'node:crypto';
import { Decrypter, Encrypter } from 'age-encryption';
import { OpsError } from '../errors/index.ts';
import { ageDamaged } from './damaged.ts';
import { requireRecipients } from './keys.ts';
import { derivePayloadKey, payloadNonceBytes, tagBytes } from './payload.ts';

/**
 * A new header and the key of the payload that goes with it.
 *
 * `age-encryption` encrypts whole files only, but hands the file key to whatever stands in its list of recipients. An
 * observer among them, which adds no stanza, learns the key; an empty file gives the header.
 * @throws OpsError `AGE_RECIPIENT`
 */
export async function sealHeader(recipients: readonly string[]): Promise<{ header: Buffer; payloadKey: KeyObject }> {
  requireRecipients(recipients);
  const encrypter = new Encrypter();
  for (const recipient of recipients) encrypter.addRecipient(recipient);
  let fileKey: Uint8Array | undefined;
  encrypter.addRecipient({
    wrapFileKey(key) {
      fileKey = key;
      return [];
    },
  });
  const emptyFile = await encrypter.encrypt(new Uint8Array(0)).catch((cause: unknown) => {
    throw new OpsError('AGE_RECIPIENT', 'A recipient is spelled right, but no key can be agreed with it', {
      hint: 'Make a new key pair with age-keygen and use the recipient that it prints.',
      cause,
      exit: 'usage',
    });
  });
  if (!fileKey) throw new Error('age-encryption made a header without asking its recipients');

  // Its nonce has sealed the empty chunk; with a nonce of our own no key ever seals two different chunks.
  const nonce = randomBytes(payloadNonceBytes);
  const text = emptyFile.subarray(0, emptyFile.length - payloadNonceBytes - tagBytes);
  return { header: Buffer.concat([text, nonce]), payloadKey: derivePayloadKey(fileKey, nonce) };
}

/**
 * The payload key, from `text` (the header up to and with the line of its MAC) and the nonce behind it.
 * @param identities already known to be well-formed
 * @throws OpsError `AGE_NO_MATCH`, `AGE_DAMAGED`
 */
export async function openHeader(
  text: Uint8Array,
  nonce: Uint8Array,
  identities: readonly string[],
): Promise<KeyObject> {
  const decrypter = new Decrypter();
  for (const identity of identities) decrypter.addIdentity(identity);
  // The last in the list is asked only when the header was readable and no other opened it. The library's own error
  // for that case differs from the rest only in its wording.
  let isUnopened = false;
  decrypter.addIdentity({
    unwrapFileKey() {
      isUnopened = true;
      return null;
    },
  });
  try {
    return derivePayloadKey(await decrypter.decryptHeader(text), nonce);
  } catch (cause) {
    if (isUnopened) throw noMatch(identities.length);
    throw ageDamaged(`its header (bytes 0 to ${text.length - 1}) is malformed or was altered`, cause);
  }
}

const versionLine = Buffer.from('age-encryption.org/v1\n');
const newline = 0x0a;
/** No real header comes near (an X25519 recipient takes about 100 bytes); it bounds what is read of something else. */
const maxHeaderBytes = 1024 * 1024;

/** Gathers a header from a stream that is cut anywhere. */
export class HeaderReader {
  #gathered: Buffer = Buffer.alloc(0);
  /** Where the line that is not yet complete begins. */
  #lineStart = 0;

  get gatheredBytes(): number {
    return this.#gathered.length;
  }

  /**
   * The header in its pieces once it is complete, and what was read beyond it; `undefined` while more is needed.
   * @throws OpsError `AGE_DAMAGED` as soon as it cannot become a header
   */
  push(chunk: Uint8Array): { text: Buffer; nonce: Buffer; rest: Buffer } | undefined {
    this.#gathered = Buffer.concat([this.#gathered, chunk]);
    const bytes = this.#gathered;
    const start = bytes.subarray(0, versionLine.length);
    if (!start.equals(versionLine.subarray(0, start.length)))
      throw ageDamaged("it does not begin with 'age-encryption.org/v1' (at byte 0)");

    const textBytes = this.#findEnd(bytes);
    if (textBytes === undefined && bytes.length > maxHeaderBytes)
      throw ageDamaged(`its header has no end in the first ${maxHeaderBytes} bytes`);
    if (textBytes === undefined || bytes.length < textBytes + payloadNonceBytes) return undefined;
    const payloadStart = textBytes + payloadNonceBytes;
    return {
      text: bytes.subarray(0, textBytes),
      nonce: bytes.subarray(textBytes, payloadStart),
      rest: bytes.subarray(payloadStart),
    };
  }

  /** The line of the MAC ends a header, and is the only one that begins with `---`. */
  #findEnd(bytes: Buffer): number | undefined {
    for (;;) {
      const lineEnd = bytes.indexOf(newline, this.#lineStart);
      if (lineEnd === -1) return undefined;
      if (bytes.toString('latin1', this.#lineStart, this.#lineStart + 3) === '---') return lineEnd + 1;
      this.#lineStart = lineEnd + 1;
    }
  }
}

function noMatch(count: number): OpsError {
  const what = count === 1 ? 'The identity given does not open' : `None of the ${count} identities given opens`;
  return new OpsError('AGE_NO_MATCH', `${what} this age file`, {
    hint: 'Put the identity of one of the recipients that it was encrypted to into BACKUP_AGE_IDENTITY.',
  });
}
