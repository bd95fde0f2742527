import { Socket } from 'node:net';

/** One read takes what a socket's kernel buffer usually holds (208 KiB on Linux). */
const readBytes = 256 * 1024;

/**
 * A socket that reads into one buffer of its own. Node gives every read 64 KiB of fresh memory; a gigabyte of rows is
 * then 16,000 of them, and the collector, which counts memory outside its heap, spends more on finding them again than
 * zstd spends on compressing the rows.
 *
 * While `isLending`, a 'data' listener sees the buffer itself, which the next read overwrites, and must keep nothing
 * of it. Otherwise it gets a copy, so a listener that knows nothing of this (the driver's parser) is safe. Over TLS the
 * driver wraps the socket and reads decrypted data elsewhere: nothing is lent then, and nothing breaks.
 */
export class LendingSocket extends Socket {
  isLending = false;

  constructor() {
    super({
      onread: {
        buffer: Buffer.allocUnsafeSlow(readBytes),
        callback: (length, buffer) => {
          const view = Buffer.from(buffer.buffer, buffer.byteOffset, length);
          this.emit('data', this.isLending ? view : Buffer.from(view));
          return true;
        },
      },
    });
  }
}
