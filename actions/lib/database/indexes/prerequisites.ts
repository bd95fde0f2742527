/** Brings the operator classes for pieces of text (`gin_trgm_ops`); a person runs it before an index that needs them. */
export const createTrigramExtension = 'CREATE EXTENSION IF NOT EXISTS pg_trgm';
