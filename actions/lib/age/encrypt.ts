import { Transform } from 'node:stream';
import { Blocks } from './blocks.ts';
import { sealHeader } from './header.ts';
import { plainChunkBytes, sealChunk } from './payload.ts';

/**
 * Makes one age v1 file (https://age-encryption.org/v1). The file is `header`, then what every `update` returned,
 * then what `final` returned; without the last it is truncated, and no reader accepts it.
 */
export interface AgeEncryptor {
  /** What stands before the first chunk: the textual header and the nonce of the payload. */
  readonly header: Uint8Array;
  /** Encrypts as much as makes whole chunks; up to 64 KiB are held back. Keeps no reference to `plain`. */
  update(plain: Uint8Array): Buffer[];
  /** The last chunk. The encryptor cannot be used afterwards. */
  final(): Buffer[];
}

/**
 * An encryptor that only the holders of the recipients' identities can read. Synchronous once it exists.
 * @param recipients X25519 recipients, `age1…`
 * @throws OpsError `AGE_RECIPIENT`
 */
export async function createAgeEncryptor(recipients: readonly string[]): Promise<AgeEncryptor> {
  const { header, payloadKey } = await sealHeader(recipients);
  const blocks = new Blocks(plainChunkBytes);
  let index = 0;
  let isFinished = false;

  return {
    header,
    update(plain) {
      if (isFinished) throw new Error('an age encryptor was given bytes after final()');
      const sealed: Buffer[] = [];
      blocks.push(plain, chunk => {
        sealed.push(sealChunk(payloadKey, { index: index++, isLast: false }, chunk));
      });
      return sealed;
    },
    final() {
      if (isFinished) throw new Error('an age encryptor was finished twice');
      isFinished = true;
      return [sealChunk(payloadKey, { index, isLast: true }, blocks.rest())];
    },
  };
}

/**
 * Plain bytes in, one age file out.
 * @throws OpsError `AGE_RECIPIENT`
 */
export async function ageEncryptStream(recipients: readonly string[]): Promise<Transform> {
  const encryptor = await createAgeEncryptor(recipients);
  const stream = new Transform({
    transform(plain: Buffer, _encoding, done) {
      for (const sealed of encryptor.update(plain)) this.push(sealed);
      done();
    },
    flush(done) {
      for (const sealed of encryptor.final()) this.push(sealed);
      done();
    },
  });
  stream.push(encryptor.header);
  return stream;
}
