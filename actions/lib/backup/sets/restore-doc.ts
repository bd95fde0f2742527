import { checksumsKey, manifestKey } from './keys.ts';
import { type DatabaseManifest, type FilesManifest, type Manifest, partOf } from './manifest.ts';

/**
 * RESTORE.md of a set: how to restore it with stock tools and without this project. A test runs these very commands,
 * and they are kept so plain that a tired person can follow them: one block per step, every name filled in.
 */
export function restoreDocument(manifest: Manifest): string {
  return manifest.kind === 'database' ? databaseDocument(manifest) : filesDocument(manifest);
}

/** `sha256sum -c` input: every stored part of the set, relative to the top folder of the destination. */
export function checksumFile(manifest: Manifest): string {
  return manifest.parts.map(part => `${part.storedSha256}  ${part.key}\n`).join('');
}

function databaseDocument(manifest: DatabaseManifest): string {
  const { database } = manifest;
  const rows = database.tables.reduce((sum, table) => sum + table.rows, 0);
  const schema = partOf(manifest, 'schema')!;
  const roles = partOf(manifest, 'roles');
  const blobs = partOf(manifest, 'blobs');
  const properties = partOf(manifest, 'properties');
  const open = openCommand(manifest);
  return `# Restore ${cell(manifest.source)} as of ${manifest.snapshotAt}

Database ${code(manifest.source)}, PostgreSQL ${database.serverVersion}: ${database.tables.length} tables, ${rows} rows, ${manifest.parts.length} parts.
Set \`${manifest.id}\`. Parts may lie in the folders of earlier sets; \`SHA256SUMS\` names each of them.

You need \`bash\`, ${toolList(manifest)}, \`psql\`, \`createdb\` and \`pg_restore\` of PostgreSQL ${database.major} or later, and this destination as a folder:

- local: it is one already;
- S3: \`aws s3 sync s3://BUCKET/PREFIX ./restore\`;
- FTP: \`lftp -e 'mirror / ./restore; quit' ftp://USER@HOST\`.

## 1. Say where things are

${
  manifest.recipients.length > 0
    ? `The identity file is the one whose public key is among: ${manifest.recipients.map(r => `\`${r}\``).join(', ')}.\n\n`
    : ''
}\`\`\`
cd /path/to/the/destination
${manifest.recipients.length > 0 ? 'export AGE_IDENTITY=/path/to/identity.txt\n' : ''}export PGHOST=localhost PGPORT=5432 PGUSER=postgres PGDATABASE=${plainName(manifest.source)}_restored
\`\`\`

${ownShell('drop the database and begin again')}

## 2. Check that every part is here and whole

\`\`\`sh
sha256sum --quiet -c ${checksumsKey('database', manifest.id)}
\`\`\`

## 3. Make an empty database

\`\`\`sh
createdb --template=template0 --encoding=${database.encoding} ${localeOptions(database)} "$PGDATABASE"
\`\`\`

## 4. Roles (only on a new server; those that exist are reported, and keep their attributes)

\`\`\`sh
${roles ? `${open(roles.key)} | psql -X -q -d postgres` : 'true # this set has no roles'}
\`\`\`

## 5. Definitions, before the rows

\`\`\`sh
scratch=$(mktemp -d)
${open(schema.key)} > "$scratch/schema.dump"
pg_restore --exit-on-error --section=pre-data -d "$PGDATABASE" "$scratch/schema.dump"
\`\`\`
${
  database.tablespaces.length > 0
    ? `
It uses the tablespaces ${database.tablespaces.map(code).join(', ')}: on a server without them add \`--no-tablespaces\` to each \`pg_restore\`.
`
    : ''
}
## 6. Rows, several parts at once

\`\`\`sh
sed -n 's/^[0-9a-f]*  \\(.*\\/rows-.*\\)$/\\1/p' ${checksumsKey('database', manifest.id)} |
  xargs -r -P "\${JOBS:-2}" -I{} bash -o pipefail -c '${openShell(manifest)} | psql -X -q -v ON_ERROR_STOP=1 || exit 255'
\`\`\`

## 7. ${blobs ? 'Large objects, s' : 'S'}equences, indexes, constraints, triggers

\`\`\`sh
${blobs ? `${open(blobs.key)} | pg_restore --exit-on-error -d "$PGDATABASE"\n` : ''}pg_restore --exit-on-error --section=data -d "$PGDATABASE" "$scratch/schema.dump"
${postData(database)}
rm -r "$scratch"
psql -X -q -c 'SET statement_timeout = 0' -c 'ANALYZE'
\`\`\`

## 8. Settings of the database, and who may connect (a warning names what is not restored)

\`\`\`sh
${properties ? `${open(properties.key)} | psql -X -q -v ON_ERROR_STOP=1` : 'true # it had none of its own'}
\`\`\`

## 9. Look at it

The rows each table had in the snapshot:

| table | rows |
|---|---|
${database.tables.map(table => `| ${cell(`${table.schema}.${table.name}`)} | ${table.rows} |`).join('\n')}
`;
}

function filesDocument(manifest: FilesManifest): string {
  return `# Restore the files of ${manifest.source} as of ${manifest.snapshotAt}

Set \`${manifest.id}\`, ${manifest.files.level === 0 ? 'a full one' : `incremental, level ${manifest.files.level}`}: ${manifest.files.entries} entries.
Archives are applied in the order below, the full one first; each later one also removes what had been removed.

You need \`bash\`, ${toolList(manifest)}, GNU \`tar\`, and this destination as a folder (S3: \`aws s3 sync s3://BUCKET/PREFIX ./restore\`;
FTP: \`lftp -e 'mirror / ./restore; quit' ftp://USER@HOST\`).

## 1. Say where things are

\`\`\`
cd /path/to/the/destination
${manifest.recipients.length > 0 ? 'export AGE_IDENTITY=/path/to/identity.txt\n' : ''}export TARGET=/path/to/an/empty/folder
\`\`\`

${ownShell('empty the folder and begin again')}

## 2. Check that every part is here and whole

\`\`\`sh
sha256sum --quiet -c ${checksumsKey('files', manifest.id)}
\`\`\`

## 3. Unpack

\`\`\`sh
mkdir -p "$TARGET"
${manifest.parts
  .filter(part => part.role === 'archive')
  .map(
    part =>
      `${openCommand(manifest)(part.key)} | LC_ALL=C tar --extract --listed-incremental=/dev/null --numeric-owner --preserve-permissions --acls --xattrs -C "$TARGET"`,
  )
  .join('\n')}
\`\`\`

The manifest is \`${manifestKey('files', manifest.id)}\`.
`;
}

/** In the reader's own shell `set -e` would close the window. */
function ownShell(remedy: string): string {
  return `Then start a \`bash\` of its own for the steps below, which ends at the first command that fails: without \`pipefail\` a
part that cannot be opened would look like an empty one. When it has ended early, ${remedy}.

\`\`\`
bash
set -euo pipefail
\`\`\``;
}

/** The command that turns a stored part into its plain bytes. */
function openCommand(manifest: Manifest): (key: string) => string {
  return key =>
    manifest.recipients.length > 0
      ? `age -d -i "$AGE_IDENTITY" ${shellWord(key)} | zstd -dcq`
      : `zstd -dcq ${shellWord(key)}`;
}

function openShell(manifest: Manifest): string {
  return manifest.recipients.length > 0 ? 'age -d -i "$AGE_IDENTITY" "{}" | zstd -dcq' : 'zstd -dcq "{}"';
}

function toolList(manifest: Manifest): string {
  return manifest.recipients.length > 0 ? '`age`, `zstd`' : '`zstd`';
}

/** Foreign keys to tables that are not in the set stand in the archive all the same, found by their oid. */
function postData({ leftOutForeignKeys }: DatabaseManifest['database']): string {
  const restore = 'pg_restore --exit-on-error --section=post-data -j "${JOBS:-2}" -d "$PGDATABASE"';
  if (leftOutForeignKeys.length === 0) return `${restore} "$scratch/schema.dump"`;
  return [
    `pg_restore -l "$scratch/schema.dump" | grep -vE '^[0-9]+; [0-9]+ (${leftOutForeignKeys.join('|')}) FK CONSTRAINT ' > "$scratch/list"`,
    `${restore} -L "$scratch/list" "$scratch/schema.dump"`,
  ].join('\n');
}

/** `createdb` knows the provider since PostgreSQL 15, and `builtin` since 17. */
function localeOptions(database: DatabaseManifest['database']): string {
  const { localeProvider: provider, icuLocale: locale } = database;
  return [
    ...(provider !== 'libc' && locale
      ? [`--locale-provider=${provider}`, `--${provider}-locale=${shellWord(locale)}`]
      : []),
    `--lc-collate=${shellWord(database.collate)}`,
    `--lc-ctype=${shellWord(database.ctype)}`,
  ].join(' ');
}

/** A name for the restored database that no tool takes for anything else, e.g. a connection string. */
function plainName(name: string): string {
  return name.replace(/[^A-Za-z0-9_]+/g, '_');
}

/** Plain words stay plain; anything else is quoted for a POSIX shell. */
export function shellWord(text: string): string {
  return /^[A-Za-z0-9_./:=@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

function code(name: string): string {
  return `\`${name.replace(/[\r\n`]+/g, ' ')}\``;
}

/** A Markdown table cell; names are what somebody typed. */
function cell(text: string): string {
  return text.replace(/[\\|`<>*_[\]]/g, '\\$&').replace(/[\r\n]+/g, ' ');
}
