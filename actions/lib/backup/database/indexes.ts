import type { DatabaseManifest } from '../sets/manifest.ts';
import { type Entry, indexEntries } from './contents.ts';
import { type Definitions, restoreSection } from './definitions.ts';
import type { RestoreOptions } from './restore.ts';

/** So much of rows is worth starting pg_restore for. */
const batchBytes = 64 * 1024 * 1024;

/** Indexes of tables whose rows are in, made while those of other tables are still on their way. */
export class TableIndexes {
  readonly #definitions: Definitions;
  readonly #options: RestoreOptions;
  readonly #entries: ReadonlyMap<number, readonly Entry[]>;
  readonly #bytes: readonly number[];
  readonly #ready: number[] = [];
  readonly #made = new Set<Entry>();

  constructor(definitions: Definitions, options: RestoreOptions) {
    this.#definitions = definitions;
    this.#options = options;
    this.#entries = indexEntries(definitions.entries, options.manifest.database.tables);
    this.#bytes = bytesByTable(options.manifest);
  }

  /** All rows of these tables are committed. */
  isIn(tables: readonly number[]): void {
    this.#ready.push(...tables.filter(table => this.#entries.has(table)));
    this.#ready.sort((a, b) => this.#bytes[b]! - this.#bytes[a]!);
  }

  /** Builds some of what can be built, over one connection. @returns false when there was nothing */
  async build(signal: AbortSignal): Promise<boolean> {
    const batch: Entry[] = [];
    for (let bytes = 0; this.#ready.length > 0 && bytes < batchBytes; ) {
      const table = this.#ready.shift()!;
      bytes += this.#bytes[table]!;
      batch.push(...this.#entries.get(table)!);
    }
    if (batch.length === 0) return false;
    await restoreSection('post-data', batch, this.#definitions, { ...this.#options, signal }, 1);
    for (const entry of batch) this.#made.add(entry);
    return true;
  }

  /** What is still to be made. */
  left(): Entry[] {
    return this.#definitions.entries.filter(entry => !this.#made.has(entry));
  }
}

function bytesByTable(manifest: DatabaseManifest): number[] {
  const bytes = manifest.database.tables.map(() => 0);
  for (const slice of manifest.parts.flatMap(part => part.slices ?? [])) bytes[slice.table]! += slice.plainBytes;
  return bytes;
}
