import { createFtpStorage, type FtpOptions } from './ftp.ts';
import { createLocalStorage, type LocalOptions } from './local.ts';
import { createS3Storage } from './s3.ts';
import type { S3Options } from './s3-connection.ts';
import type { Storage } from './storage.ts';

/** Where objects are kept. */
export type Destination =
  | ({ kind: 'local' } & LocalOptions)
  | ({ kind: 's3' } & S3Options)
  | ({ kind: 'ftp' } & FtpOptions);

/** Opens nothing yet: the first operation connects. `close` it in the end. */
export function openStorage(destination: Destination): Storage {
  switch (destination.kind) {
    case 'local':
      return createLocalStorage(destination);
    case 's3':
      return createS3Storage(destination);
    case 'ftp':
      return createFtpStorage(destination);
  }
}

export type { GetOptions, ObjectInfo, PutOptions, Storage, StorageCapabilities } from './storage.ts';
export { createFtpStorage, createLocalStorage, createS3Storage, type FtpOptions, type LocalOptions, type S3Options };
