import { expect, test } from 'vitest';
import { callsAny } from '../../../actions/lib/database/advise/costly.ts';

const functions = new Set(['to_tsvector', 'Größe der Karte', 'say"so']);

test.each([
  `((language = 'fr'::text) AND (to_tsvector('french'::regconfig, title) @@ '''vase'''::tsquery))`,
  `(public.to_tsvector(title) IS NOT NULL)`,
  `("Größe der Karte"(id) > 3)`,
  `(other."say""so"(id) > 3)`,
])('%s calls a costly function', condition => expect(callsAny(condition, functions)).toBe(true));

test.each([
  `(lower(title) = 'to_tsvector(title)'::text)`,
  `(note = 'it''s to_tsvector('::text)`,
  `(my_to_tsvector(title) = 'a'::text)`,
  `(to_tsvector = 'a'::text)`,
  `("größe der karte"(id) > 3)`,
])('%s does not', condition => expect(callsAny(condition, functions)).toBe(false));
