import type { CatalogTable } from '../catalog/index.ts';
import type { IndexKey } from '../indexes/index.ts';
import type { Predicate, Subject } from '../statements/index.ts';
import { type Candidate, candidateOf, keyName, keyOf } from './candidate.ts';
import type { TrigramSupport } from './trigrams.ts';

/** GIN for what a value holds inside: members of documents, elements of arrays, words, and pieces of text. */
export function ginCandidates(
  table: CatalogTable,
  predicates: readonly Predicate[],
  trigrams: TrigramSupport,
): Candidate[] {
  return predicates.flatMap(predicate => {
    const found = ginKey(table, predicate, trigrams);
    if (!found) return [];
    const { key, purpose, prerequisites = [] } = found;
    return [candidateOf(table, { method: 'gin', keys: [key], include: [] }, purpose, prerequisites)];
  });
}

interface GinKey {
  key: IndexKey;
  purpose: string;
  prerequisites?: readonly string[];
}

function ginKey(table: CatalogTable, predicate: Predicate, trigrams: TrigramSupport): GinKey | undefined {
  const { subject, test } = predicate;
  const type = typeOf(subject, table);
  const name = keyName(keyOf(subject));
  switch (test) {
    case 'contains':
      if (type === 'jsonb')
        return { key: keyOf(subject, { opclass: 'jsonb_path_ops' }), purpose: `containment in ${name}` };
      return isArray(type) ? { key: keyOf(subject), purpose: `elements of ${name}` } : undefined;
    case 'overlaps':
    case 'contained':
      return isArray(type) ? { key: keyOf(subject), purpose: `elements of ${name}` } : undefined;
    case 'json-path':
      return type === 'jsonb'
        ? { key: keyOf(subject, { opclass: 'jsonb_path_ops' }), purpose: `paths in ${name}` }
        : undefined;
    case 'has-key':
      return type === 'jsonb' ? { key: keyOf(subject), purpose: `keys of ${name}` } : undefined;
    case 'full-text':
      if (type === 'jsonb') return { key: keyOf(subject, { opclass: 'jsonb_path_ops' }), purpose: `paths in ${name}` };
      return type === 'tsvector' ? { key: keyOf(subject), purpose: `words of ${name}` } : undefined;
    case 'pattern': {
      const shape = 'pattern' in predicate.operand ? predicate.operand.pattern : undefined;
      return shape === 'prefix' || shape === 'exact' ? undefined : trigramKey(subject, type, trigrams);
    }
    case 'pattern-any-case':
    case 'regular-expression':
    case 'similar':
      return trigramKey(subject, type, trigrams);
    default:
      return undefined;
  }
}

function trigramKey(subject: Subject, type: string, trigrams: TrigramSupport): GinKey | undefined {
  // citext has operators of its own, which no trigram index answers.
  if (!['text', 'varchar', 'bpchar', 'text expression'].includes(type)) return undefined;
  return {
    key: keyOf(subject, { opclass: trigrams.opclass }),
    purpose: `pieces of text in ${keyName(keyOf(subject))}`,
    prerequisites: trigrams.prerequisites,
  };
}

function typeOf(subject: Subject, table: CatalogTable): string {
  if (subject.kind === 'column') return table.columns.find(each => each.name === subject.column)?.baseType ?? '';
  if (/^\(*\s*(setweight|to_tsvector)\s*\(/i.test(subject.sql)) return 'tsvector';
  if (/->\s*'[^']*'$/.test(subject.sql)) return 'jsonb';
  if (/^(lower|upper|coalesce|btrim|concat|unaccent)\s*\(|->>|\|\|/i.test(subject.sql)) return 'text expression';
  return '';
}

function isArray(type: string): boolean {
  return type.startsWith('_');
}
