import { quoteLiteral } from '../../actions/lib/postgres/index.ts';
import { badOption } from './sessions.ts';
import { familyNames, givenNames, type Language, languages, places, streets, vocabularies } from './words.ts';

/** The platform's own "today": every date lies before it, and the first day of growth is this one. */
export const epoch = '2026-01-01';

/**
 * The functions that turn a row number into data, as SQL for one session: they live in `pg_temp`, so that nothing of
 * them is left behind or seen by others, not even after a crash. All are pure in (seed, row, tag): neither random()
 * nor now(), hence two runs give the same data.
 *
 * u(i, tag) in [0, 1) is the source of all; it is plain SQL, so the planner inlines it and hashes the tag only once.
 */
export function generatorsSql(seed: number): string {
  return [primitives(seed), calendar(), people(), prices(), ...languages.map(language => prose(language, seed))].join(
    '\n',
  );
}

/** A SQL literal for a text array. */
export function textArray(values: readonly string[]): string {
  return `ARRAY[${values.map(quoteLiteral).join(',')}]::text[]`;
}

function primitives(seed: number): string {
  if (!Number.isSafeInteger(seed)) throw badOption(`seed must be an integer, not ${seed}`);
  return `
CREATE FUNCTION pg_temp.u(bigint, text) RETURNS float8 IMMUTABLE LANGUAGE sql AS $$
  SELECT ((hashint8extended($1, hashtextextended($2, ${seed})) >> 11) & 9007199254740991)::float8 / 9007199254740992
$$;
-- A whole number from $3 to $4, both included.
CREATE FUNCTION pg_temp.n(bigint, text, integer, integer) RETURNS integer IMMUTABLE LANGUAGE sql AS $$
  SELECT $3 + floor(pg_temp.u($1, $2) * ($4 - $3 + 1))::integer
$$;
CREATE FUNCTION pg_temp.pick(bigint, text, text[]) RETURNS text IMMUTABLE LANGUAGE sql AS $$
  SELECT $3[1 + floor(pg_temp.u($1, $2) * array_length($3, 1))::integer]
$$;
-- Standard normal (Box and Muller).
CREATE FUNCTION pg_temp.z(bigint, text) RETURNS float8 IMMUTABLE LANGUAGE sql AS $$
  SELECT sqrt(-2 * ln(1 - pg_temp.u($1, $2))) * cos(6.283185307179586 * pg_temp.u($1, $2 || '/angle'))
$$;
-- A member of 1..$3 whose popularity falls with rank^(-2/3): the top 1 % get 21 % of the picks. The prime scatters
-- the ranks, so that the popular ones are not simply the first.
CREATE FUNCTION pg_temp.popular(bigint, text, bigint) RETURNS bigint IMMUTABLE LANGUAGE sql AS $$
  SELECT 1 + (floor($3 * power(pg_temp.u($1, $2), 3))::bigint * 2654435761 + 12345) % $3
$$;
CREATE FUNCTION pg_temp.anyone(bigint, text, bigint) RETURNS bigint IMMUTABLE LANGUAGE sql AS $$
  SELECT 1 + floor($3 * pg_temp.u($1, $2))::bigint
$$;
CREATE FUNCTION pg_temp.noise(bigint, text) RETURNS bytea IMMUTABLE LANGUAGE sql AS $$
  SELECT int8send(hashint8extended($1, hashtextextended($2, ${seed})))
      || int8send(hashint8extended($1, hashtextextended($2 || '/2', ${seed})))
      || int8send(hashint8extended($1, hashtextextended($2 || '/3', ${seed})))
      || int8send(hashint8extended($1, hashtextextended($2 || '/4', ${seed})))
$$;`;
}

const monthWeights = [6, 5, 6, 7, 8, 7, 6, 6, 8, 10, 15, 19];
const historyYears = [2024, 2025];
const yearlyGrowth = 1.4;

/** Share of a whole history's business done by the end of each month, and when those months begin. */
function calendar(): string {
  const weights = historyYears.flatMap((_, year) => monthWeights.map(weight => weight * yearlyGrowth ** year));
  const total = weights.reduce((a, b) => a + b);
  const starts = weights.map((_, month) => Date.UTC(historyYears[0]!, month, 1) / 1000);
  const end = Date.UTC(historyYears[0]!, weights.length, 1) / 1000;
  const shares = [0];
  for (const weight of weights) shares.push(shares.at(-1)! + weight / total);
  const floats = (values: number[]) => `'{${values.join(',')}}'::float8[]`;
  return `
-- When the share $3 of two years of business was done: busy before Christmas, and more in the second year. The hour
-- comes from the row: most of it in the evening.
CREATE FUNCTION pg_temp.season(bigint, text, float8) RETURNS timestamptz IMMUTABLE LANGUAGE plpgsql AS $$
DECLARE
  m integer := least(width_bucket($3, ${floats(shares.slice(0, -1))}), ${weights.length});
  a float8 := (${floats(shares)})[m];
  b float8 := (${floats([...shares.slice(0, -1), 1])})[m + 1];
  s float8 := (${floats([...starts, end])})[m];
  t float8 := s + ($3 - a) / (b - a) * ((${floats([...starts, end])})[m + 1] - s);
BEGIN
  RETURN to_timestamp(least(floor(t / 86400), ${end / 86400 - 1}) * 86400
    + floor(86399 * (1 - power(pg_temp.u($1, $2), 2) * 0.7 - pg_temp.u($1, $2 || '/hour') * 0.3)));
END
$$;`;
}

function people(): string {
  return `
CREATE FUNCTION pg_temp.person(bigint) RETURNS text IMMUTABLE LANGUAGE sql AS $$
  SELECT pg_temp.pick($1, 'given', ${textArray(givenNames)}) || ' ' || pg_temp.pick($1, 'family', ${textArray(familyNames)})
$$;
CREATE FUNCTION pg_temp.place(bigint, text) RETURNS text IMMUTABLE LANGUAGE sql AS $$
  SELECT pg_temp.pick($1, $2, ${textArray(places)})
$$;
CREATE FUNCTION pg_temp.address(bigint) RETURNS postal_address IMMUTABLE LANGUAGE sql AS $$
  SELECT ROW(
    pg_temp.person($1),
    pg_temp.pick($1, 'street', ${textArray(streets)}) || ' ' || pg_temp.n($1, 'house', 1, 140),
    lpad(pg_temp.n($1, 'postcode', 1000, 99998)::text, 5, '0'),
    pg_temp.place($1, 'city'),
    CASE WHEN pg_temp.u($1, 'country') < 0.62 THEN 'DE' WHEN pg_temp.u($1, 'country') < 0.78 THEN 'FR'
         WHEN pg_temp.u($1, 'country') < 0.9 THEN 'CH' ELSE 'AT' END
  )::postal_address
$$;
CREATE FUNCTION pg_temp.language(bigint) RETURNS language_code IMMUTABLE LANGUAGE sql AS $$
  SELECT CASE WHEN pg_temp.u($1, 'language') < 0.6 THEN 'de'::language_code
              WHEN pg_temp.u($1, 'language') < 0.8 THEN 'fr' ELSE 'en' END
$$;
CREATE FUNCTION pg_temp.ip(bigint) RETURNS inet IMMUTABLE LANGUAGE sql AS $$
  SELECT CASE WHEN pg_temp.u($1, 'ip') < 0.7
    THEN '198.18.0.0'::inet + floor(power(pg_temp.u($1, 'ip/4'), 2) * 131072)::bigint
    ELSE '2001:db8::'::inet + floor(pg_temp.u($1, 'ip/6') * 4294967296)::bigint END
$$;`;
}

function prices(): string {
  return `
-- Log-normal, median 42 EUR, ending the way prices end.
CREATE FUNCTION pg_temp.price(bigint) RETURNS numeric IMMUTABLE LANGUAGE sql AS $$
  SELECT (floor(4 + exp(3.65 + 0.85 * pg_temp.z($1, 'price')))
    + CASE WHEN pg_temp.u($1, 'price/end') < 0.5 THEN 0.90 WHEN pg_temp.u($1, 'price/end') < 0.7 THEN 0.50 ELSE 0 END)::numeric
$$;`;
}

function prose(language: Language, seed: number): string {
  const words = vocabularies[language];
  return `
-- As many sentences as $3 says; plpgsql, because its expressions over constants cost less than a nested query.
CREATE FUNCTION pg_temp.prose_${language}(bigint, text, integer) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$
DECLARE
  result text := '';
  h bigint;
BEGIN
  FOR k IN 1..$3 LOOP
    h := hashint8extended($1 * 64 + k, hashtextextended($2, ${seed})) & 9223372036854775807;
    result := result || CASE WHEN k > 1 THEN ' ' ELSE '' END || format(
      (${textArray(words.sentences)})[1 + h % ${words.sentences.length}],
      (${textArray(words.things)})[1 + (h >> 8) % ${words.things.length}],
      (${textArray(words.materials)})[1 + (h >> 16) % ${words.materials.length}],
      (${textArray(words.techniques)})[1 + (h >> 24) % ${words.techniques.length}],
      (${textArray(places)})[1 + (h >> 32) % ${places.length}],
      (${textArray(words.qualities)})[1 + (h >> 40) % ${words.qualities.length}],
      (${textArray(words.uses)})[1 + (h >> 48) % ${words.uses.length}]);
  END LOOP;
  RETURN result;
END
$$;
CREATE FUNCTION pg_temp.object_${language}(bigint) RETURNS text IMMUTABLE LANGUAGE sql AS $$
  SELECT pg_temp.pick($1, 'thing', ${textArray(words.things.map(capital))}) || ', ' || pg_temp.pick($1, 'material', ${textArray(words.materials)})
$$;
CREATE FUNCTION pg_temp.verdict_${language}(bigint) RETURNS text IMMUTABLE LANGUAGE sql AS $$
  SELECT pg_temp.pick($1, 'verdict', ${textArray(words.verdicts)})
$$;${language === 'de' ? dispatch() : ''}`;
}

/** The same in the language of a row; made first, which plpgsql and its late binding allow. */
function dispatch(): string {
  const of = (name: string, args: string) =>
    `RETURN CASE $1 ${languages.map(language => `WHEN '${language}' THEN pg_temp.${name}_${language}(${args})`).join(' ')} END;`;
  return `
CREATE FUNCTION pg_temp.prose(language_code, bigint, text, integer) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN ${of('prose', '$2, $3, $4')} END $$;
CREATE FUNCTION pg_temp.object(language_code, bigint) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN ${of('object', '$2')} END $$;
CREATE FUNCTION pg_temp.verdict(language_code, bigint) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN ${of('verdict', '$2')} END $$;`;
}

function capital(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}
