import type { Node, RawStmt } from 'libpg-query';
import * as parser from 'libpg-query';
import { OpsError } from '../../errors/index.ts';

export type StatementKind = 'select' | 'insert' | 'update' | 'delete' | 'merge' | 'utility';

export interface ParsedStatement {
  kind: StatementKind;
  /** The statement's node: `{ SelectStmt: … }`. */
  node: Node;
  /** As it was given. Locations in `node` are offsets into its bytes as UTF-8. */
  text: string;
  /** 16 hexadecimal digits; the same for statements that differ only in constants, aliases or white space. */
  fingerprint: string;
}

/** PostgreSQL's own parser as WebAssembly: the module is loaded once, everything after that is synchronous. */
let loading: Promise<void> | undefined;

export function loadParser(): Promise<void> {
  loading ??= parser.loadModule();
  return loading;
}

/**
 * One statement, parsed by the grammar of PostgreSQL 18, which also takes the placeholders of `pg_stat_statements`.
 * Code: SQL_PARSE, also for none and for several statements. The text is not in the message: it may hold a secret.
 */
export async function parseStatement(text: string): Promise<ParsedStatement> {
  await loadParser();
  const statements = parseAll(text);
  const node = statements[0]?.stmt;
  if (!node || statements.length !== 1) {
    throw new OpsError('SQL_PARSE', `One statement was expected, and the text holds ${statements.length}`);
  }
  return { kind: kindOf(node), node, text, fingerprint: parser.fingerprintSync(text) };
}

function parseAll(text: string): RawStmt[] {
  try {
    return parser.parseSync(text).stmts ?? [];
  } catch (thrown) {
    const at = parser.hasSqlDetails(thrown) ? ` at character ${thrown.sqlDetails?.cursorPosition ?? '?'}` : '';
    throw new OpsError('SQL_PARSE', `The statement cannot be parsed${at}`, {
      hint: 'A text that ends in the middle was cut off by the server: raise track_activity_query_size or log whole statements.',
    });
  }
}

function kindOf(node: Node): StatementKind {
  if ('SelectStmt' in node) return node.SelectStmt.intoClause ? 'utility' : 'select';
  if ('InsertStmt' in node) return 'insert';
  if ('UpdateStmt' in node) return 'update';
  if ('DeleteStmt' in node) return 'delete';
  if ('MergeStmt' in node) return 'merge';
  return 'utility';
}

/** The SELECT that is inside of a view, as a node. Code: SQL_PARSE. */
export function parseViewSql(sql: string): Node {
  const node = parseAll(sql)[0]?.stmt;
  if (!node) throw new OpsError('SQL_PARSE', 'The definition of a view holds no statement');
  return node;
}
