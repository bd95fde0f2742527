import { OpsError } from '../errors/index.ts';
import { cdnOverlays, overlayCdn, zoneVariable } from './cdn-environment.ts';

/**
 * The environment variables of the product. They override the file; secrets come from here alone.
 * An empty variable counts as absent, since GitHub passes an unset secret as an empty string.
 */
export const secretVariables = [
  'DATABASE_URL',
  'DATABASE_REPLICA_URLS',
  'PGBOUNCER_ADMIN_URL',
  'ADVISE_COPY_URL',
  'BACKUP_FTP_URL',
  'BACKUP_S3_ACCESS_KEY_ID',
  'BACKUP_S3_SECRET_ACCESS_KEY',
  'BACKUP_AGE_IDENTITY',
  'GITHUB_TOKEN',
  'WATCHDOG_HEARTBEAT_URL',
  'ALERTS_WEBHOOK_URL',
  'ALERTS_WEBHOOK_SECRET',
  'CLOUDFLARE_API_TOKEN',
  'CDN_PURGE_TOKEN',
  'AZURE_ACCESS_TOKEN',
] as const;

export type Environment = Readonly<Record<string, string | undefined>>;

/** Values that never stand in the file. */
export interface SecretValues {
  readonly databaseUrl: string | undefined;
  /** Of the replicas of that database: an index that is used on one of them is used. */
  readonly databaseReplicaUrls?: readonly string[];
  /** The admin console of PgBouncer, its database `pgbouncer`. */
  readonly pgbouncerAdminUrl?: string | undefined;
  readonly ftpUrl: string | undefined;
  readonly s3AccessKeyId: string | undefined;
  readonly s3SecretAccessKey: string | undefined;
  readonly ageIdentity: string | undefined;
  readonly githubToken?: string | undefined;
  /** `owner/name`; with the token, what the calls to GitHub are about. */
  readonly githubRepository?: string | undefined;
  readonly githubApiUrl?: string | undefined;
  /** For links that people follow; Actions sets it. */
  readonly githubServerUrl?: string | undefined;
  /** Whoever knows it can ping it. */
  readonly heartbeatUrl?: string | undefined;
  /** A chat's webhook is a secret as a whole: whoever knows it can write there. */
  readonly alertsWebhookUrl?: string | undefined;
  readonly alertsWebhookSecret?: string | undefined;
  readonly cloudflareApiToken?: string | undefined;
  /** The bearer token that cache servers want with a PURGE. */
  readonly cdnPurgeToken?: string | undefined;
  /** Of `az account get-access-token`; without it the Azure SDK finds its own. */
  readonly azureAccessToken?: string | undefined;
}

export function readSecrets(env: Environment): SecretValues {
  return Object.freeze({
    databaseUrl: value(env, 'DATABASE_URL'),
    databaseReplicaUrls: list(value(env, 'DATABASE_REPLICA_URLS') ?? ''),
    pgbouncerAdminUrl: value(env, 'PGBOUNCER_ADMIN_URL'),
    ftpUrl: value(env, 'BACKUP_FTP_URL'),
    s3AccessKeyId: value(env, 'BACKUP_S3_ACCESS_KEY_ID'),
    s3SecretAccessKey: value(env, 'BACKUP_S3_SECRET_ACCESS_KEY'),
    ageIdentity: value(env, 'BACKUP_AGE_IDENTITY'),
    githubToken: value(env, 'GITHUB_TOKEN'),
    githubRepository: value(env, 'GITHUB_REPOSITORY'),
    githubApiUrl: value(env, 'GITHUB_API_URL'),
    githubServerUrl: value(env, 'GITHUB_SERVER_URL'),
    heartbeatUrl: value(env, 'WATCHDOG_HEARTBEAT_URL'),
    alertsWebhookUrl: value(env, 'ALERTS_WEBHOOK_URL'),
    alertsWebhookSecret: value(env, 'ALERTS_WEBHOOK_SECRET'),
    cloudflareApiToken: value(env, 'CLOUDFLARE_API_TOKEN'),
    cdnPurgeToken: value(env, 'CDN_PURGE_TOKEN'),
    azureAccessToken: value(env, 'AZURE_ACCESS_TOKEN'),
  });
}

type Tree = { [key: string]: unknown };

/** The file's content with the environment laid over it: a destination of the environment replaces the file's of that kind. */
export function overlayEnvironment(file: Tree, env: Environment): Tree {
  const merged = structuredClone(file);
  const backup = branch(merged, 'backup');

  const recipients = value(env, 'BACKUP_AGE_RECIPIENTS');
  if (recipients) {
    backup.recipients = list(recipients);
    // A list of nobody must never come to mean "not encrypted".
    if (list(recipients).length === 0) {
      throw new OpsError('CONFIG_INVALID', `BACKUP_AGE_RECIPIENTS names nobody`, {
        hint: 'Set it to one or more age1… public keys separated by commas, or unset it for backups that are not encrypted.',
        exit: 'usage',
      });
    }
  }
  const jobs = value(env, 'BACKUP_JOBS');
  if (jobs) backup.jobs = whole('BACKUP_JOBS', jobs);
  const level = value(env, 'BACKUP_COMPRESSION_LEVEL');
  if (level) backup.compressionLevel = whole('BACKUP_COMPRESSION_LEVEL', level);
  const paths = value(env, 'BACKUP_FILES_PATHS');
  if (paths) branch(backup, 'files').paths = list(paths);
  const databases = value(env, 'BACKUP_DATABASES');
  if (databases) branch(backup, 'database').databases = list(databases);

  const destinations = environmentDestinations(env);
  if (destinations.length > 0) {
    const kinds = new Set(destinations.map(d => d.kind));
    const kept = Array.isArray(backup.destinations)
      ? (backup.destinations as Tree[]).filter(d => !kinds.has(d?.kind))
      : [];
    backup.destinations = [...kept, ...destinations];
  }

  const cdn = overlayCdn(branch(merged, 'cdn'), env, name => value(env, name));
  if (Object.keys(cdn).length > 0) merged.cdn = cdn;

  const logLevel = value(env, 'LOG_LEVEL');
  if (logLevel) branch(merged, 'log').level = logLevel;
  const logFormat = value(env, 'LOG_FORMAT');
  if (logFormat) branch(merged, 'log').format = logFormat;
  return merged;
}

/** The variables that lie over one value of the file. */
const overlays: Readonly<Record<string, string>> = {
  'backup.recipients': 'BACKUP_AGE_RECIPIENTS',
  'backup.jobs': 'BACKUP_JOBS',
  'backup.compressionLevel': 'BACKUP_COMPRESSION_LEVEL',
  'backup.files.paths': 'BACKUP_FILES_PATHS',
  'backup.database.databases': 'BACKUP_DATABASES',
  ...cdnOverlays,
  'log.level': 'LOG_LEVEL',
  'log.format': 'LOG_FORMAT',
};

const destinationOverlays: Readonly<Record<string, string>> = {
  'local.path': 'BACKUP_LOCAL_PATH',
  's3.bucket': 'BACKUP_S3_BUCKET',
  's3.region': 'BACKUP_S3_REGION',
  's3.endpoint': 'BACKUP_S3_ENDPOINT',
  's3.prefix': 'BACKUP_S3_PREFIX',
};

/** Where a value of the overlaid tree is from: the variable that set it, or the path it has in the file itself. */
export function originOf(
  path: readonly PropertyKey[],
  file: Tree,
  env: Environment,
): { variable: string } | { path: readonly PropertyKey[] } {
  for (let depth = path.length; depth > 0; depth--) {
    const variable = overlays[path.slice(0, depth).join('.')];
    if (variable !== undefined && value(env, variable)) return { variable };
  }
  const ofZone = zoneVariable(path);
  if (ofZone !== undefined && value(env, ofZone)) return { variable: ofZone };
  const [section, list, index, key] = path;
  if (section !== 'backup' || list !== 'destinations' || typeof index !== 'number') return { path };
  const destinations = environmentDestinations(env);
  const kinds = new Set(destinations.map(destination => destination.kind));
  const inFile = (file.backup as Tree | undefined)?.destinations;
  const kept = (Array.isArray(inFile) ? (inFile as Tree[]) : []).flatMap((d, i) => (kinds.has(d?.kind) ? [] : [i]));
  const at = kept[index];
  if (at !== undefined) return { path: [section, list, at, ...path.slice(3)] };
  const kind = String(destinations[index - kept.length]?.kind);
  return { variable: destinationOverlays[`${kind}.${String(key)}`] ?? `BACKUP_${kind.toUpperCase()}_*` };
}

function environmentDestinations(env: Environment): Tree[] {
  const destinations: Tree[] = [];
  const localPath = value(env, 'BACKUP_LOCAL_PATH');
  if (localPath) destinations.push({ kind: 'local', path: localPath });
  const bucket = value(env, 'BACKUP_S3_BUCKET');
  if (bucket) {
    const region = value(env, 'BACKUP_S3_REGION');
    const endpoint = value(env, 'BACKUP_S3_ENDPOINT');
    const prefix = value(env, 'BACKUP_S3_PREFIX');
    destinations.push({
      kind: 's3',
      bucket,
      ...(region && { region }),
      ...(endpoint && { endpoint }),
      ...(prefix && { prefix }),
    });
  }
  if (value(env, 'BACKUP_FTP_URL')) destinations.push({ kind: 'ftp' });
  return destinations;
}

function branch(tree: Tree, key: string): Tree {
  const existing = tree[key];
  if (existing === undefined || existing === null) {
    const made: Tree = {};
    tree[key] = made;
    return made;
  }
  // A wrong type stays as it is: validation names it with its line.
  return typeof existing === 'object' && !Array.isArray(existing) ? (existing as Tree) : {};
}

function list(text: string): string[] {
  return text
    .split(/[,\n]/)
    .map(item => item.trim())
    .filter(item => item !== '');
}

function whole(name: string, text: string): number {
  if (/^\d+$/.test(text)) return Number(text);
  throw new OpsError('CONFIG_INVALID', `${name} is '${text}', and must be a whole number`, {
    hint: `Set ${name} to digits only, for example ${name}=2.`,
    exit: 'usage',
  });
}

function value(env: Environment, name: string): string | undefined {
  const raw = env[name]?.trim();
  return raw ? raw : undefined;
}
