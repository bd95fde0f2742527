type Tree = { [key: string]: unknown };
type Read = (name: string) => string | undefined;

/** Names that end in `_URL` and are no zone. */
const notZones = new Set(['ORIGIN', 'PURGE']);

/** The value of the file that each variable lies over, for the message when it is wrong. */
export const cdnOverlays: Readonly<Record<string, string>> = {
  'cdn.provider.kind': 'CDN_PROVIDER',
  'cdn.provider.zoneId': 'CLOUDFLARE_ZONE_ID',
  'cdn.provider.distributionId': 'CLOUDFRONT_DISTRIBUTION_ID',
  'cdn.provider.subscriptionId': 'AZURE_SUBSCRIPTION_ID',
  'cdn.provider.resourceGroup': 'AZURE_RESOURCE_GROUP',
  'cdn.provider.profile': 'AZURE_FRONT_DOOR_PROFILE',
  'cdn.provider.endpoint': 'AZURE_FRONT_DOOR_ENDPOINT',
  'cdn.provider.servers': 'CDN_PURGE_URL',
  'cdn.manifest': 'CDN_MANIFEST',
};

/** The variable that gave a value of a zone. */
export function zoneVariable([section, zones, name, key]: readonly PropertyKey[]): string | undefined {
  if (section !== 'cdn' || zones !== 'zones' || name === undefined) return undefined;
  if (key === 'origin') return 'CDN_ORIGIN_URL';
  if (key === 'transform') return 'CDN_TRANSFORM';
  return name === 'default' ? 'CDN_URL' : `CDN_${String(name).toUpperCase().replaceAll('-', '_')}_URL`;
}

/**
 * The file's `cdn:` with the environment laid over it: `CDN_URL` is the default zone, `CDN_IMAGES_URL` the zone `images`,
 * `CDN_ORIGIN_URL` and `CDN_TRANSFORM` go for every zone.
 */
export function overlayCdn(file: Tree, env: Readonly<Record<string, string | undefined>>, read: Read): Tree {
  const cdn = { ...file };
  const zones: Tree = { ...(file.zones as Tree | undefined) };
  for (const variable of Object.keys(env)) {
    const name = /^CDN_(?:([A-Z][A-Z0-9_]*)_)?URL$/.exec(variable);
    const url = read(variable);
    if (!name || !url || notZones.has(name[1] ?? '')) continue;
    const zone = (name[1] ?? 'default').toLowerCase().replaceAll('_', '-');
    zones[zone] = { ...(zones[zone] as Tree | undefined), url };
  }
  const origin = read('CDN_ORIGIN_URL');
  const transform = read('CDN_TRANSFORM');
  for (const [name, zone] of Object.entries(zones))
    zones[name] = { ...(zone as Tree), ...(origin && { origin }), ...(transform && { transform }) };
  if (Object.keys(zones).length > 0) cdn.zones = zones;

  const provider = providerOf(read);
  if (provider) {
    const isSameKind = (file.provider as Tree | undefined)?.kind === provider.kind;
    cdn.provider = { ...(isSameKind && (file.provider as Tree)), ...provider };
  }
  const manifest = read('CDN_MANIFEST');
  if (manifest) cdn.manifest = manifest;
  return cdn;
}

function providerOf(read: Read): Tree | undefined {
  const kind = read('CDN_PROVIDER') ?? kindOf(read);
  if (!kind) return undefined;
  const values: Record<string, Record<string, string | string[] | undefined>> = {
    cloudflare: { zoneId: read('CLOUDFLARE_ZONE_ID') },
    cloudfront: { distributionId: read('CLOUDFRONT_DISTRIBUTION_ID') },
    azure: {
      subscriptionId: read('AZURE_SUBSCRIPTION_ID'),
      resourceGroup: read('AZURE_RESOURCE_GROUP'),
      profile: read('AZURE_FRONT_DOOR_PROFILE'),
      endpoint: read('AZURE_FRONT_DOOR_ENDPOINT'),
    },
    http: {
      servers: read('CDN_PURGE_URL')
        ?.split(/[,\s]+/)
        .filter(url => url !== ''),
    },
  };
  const given = Object.entries(values[kind] ?? {}).filter(([, value]) => value !== undefined);
  return { kind, ...Object.fromEntries(given) };
}

/** The one whose own variable is set. AZURE_SUBSCRIPTION_ID alone says nothing of a CDN. */
function kindOf(read: Read): string | undefined {
  if (read('CLOUDFLARE_ZONE_ID')) return 'cloudflare';
  if (read('CLOUDFRONT_DISTRIBUTION_ID')) return 'cloudfront';
  if (read('AZURE_FRONT_DOOR_PROFILE')) return 'azure';
  return read('CDN_PURGE_URL') ? 'http' : undefined;
}
