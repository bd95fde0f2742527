import { resolve } from 'node:path';
import type { DestinationConfig } from '../config/index.ts';
import type { OpsContext } from '../context/index.ts';
import { OpsError } from '../errors/index.ts';
import { openStorage, type Storage } from '../storage/index.ts';

/**
 * Opens what `backup.destinations` names.
 * @throws OpsError `CONFIG_MISSING_VALUE` (exit 2) when there is none, or a secret for one is missing
 */
export function openDestinations(context: Pick<OpsContext, 'config' | 'secrets' | 'cwd'>): Storage[] {
  const { destinations } = context.config.backup;
  if (destinations.length === 0) {
    throw new OpsError('CONFIG_MISSING_VALUE', 'No place to keep backups is configured', {
      hint: 'Set BACKUP_LOCAL_PATH, BACKUP_S3_BUCKET or BACKUP_FTP_URL, or backup.destinations in .github/ops.yml.',
      exit: 'usage',
    });
  }
  return destinations.map(destination => openDestination(destination, context));
}

/** @throws OpsError `CONFIG_MISSING_VALUE` (exit 2) when a secret for it is missing */
export function openDestination(destination: DestinationConfig, context: Pick<OpsContext, 'secrets' | 'cwd'>): Storage {
  const { secrets, cwd } = context;
  switch (destination.kind) {
    case 'local':
      return openStorage({ kind: 'local', path: resolve(cwd, destination.path) });
    case 's3': {
      const { bucket, region, endpoint, prefix, maxParts } = destination;
      if (Boolean(secrets.s3AccessKeyId) !== Boolean(secrets.s3SecretAccessKey)) {
        throw missing(
          secrets.s3AccessKeyId ? 'BACKUP_S3_SECRET_ACCESS_KEY' : 'BACKUP_S3_ACCESS_KEY_ID',
          `bucket ${bucket}`,
        );
      }
      return openStorage({
        kind: 's3',
        bucket,
        region,
        prefix,
        maxParts,
        ...(endpoint !== undefined && { endpoint, forcePathStyle: true }),
        ...(secrets.s3AccessKeyId &&
          secrets.s3SecretAccessKey && {
            credentials: { accessKeyId: secrets.s3AccessKeyId, secretAccessKey: secrets.s3SecretAccessKey },
          }),
      });
    }
    case 'ftp':
      if (!secrets.ftpUrl) throw missing('BACKUP_FTP_URL', 'the FTP destination');
      return openStorage({ kind: 'ftp', url: secrets.ftpUrl });
  }
}

/** Of one that could not be opened; another has the name that its storage gives it. */
export function destinationName(destination: DestinationConfig): string {
  switch (destination.kind) {
    case 'local':
      return `local:${destination.path}`;
    case 's3':
      return `s3:${destination.bucket}`;
    case 'ftp':
      return 'ftp';
  }
}

function missing(variable: string, of: string): OpsError {
  return new OpsError('CONFIG_MISSING_VALUE', `${variable} is not set, and ${of} needs it`, {
    hint: `Set ${variable} in the environment; in a workflow pass it from a secret of the same name.`,
    exit: 'usage',
  });
}
