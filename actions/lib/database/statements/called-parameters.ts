import type { Node } from 'libpg-query';
import { lastName, walk } from './syntax.ts';
import type { ParameterUse } from './usage.ts';

export interface CalledParameter {
  use: ParameterUse;
  /** A condition around it may have said already in what is searched, and then it is right. */
  isGuess: boolean;
}

/** Parameters that are handed to a function or an operator which takes only certain values, wherever that stands. */
export function calledParameters(node: Node): CalledParameter[] {
  const found: CalledParameter[] = [];
  const note = (number: number, role: ParameterUse['role'], isGuess = false) =>
    found.push({ use: { number, role }, isGuess });
  walk(node, each => {
    if ('FuncCall' in each) {
      const name = lastName(each.FuncCall.funcname);
      const [first, second] = each.FuncCall.args ?? [];
      // `websearch_to_tsquery('german', $1)`, also in FROM.
      if (/tsquery$/.test(name) && second && 'ParamRef' in second) note(second.ParamRef.number ?? 0, 'words', true);
      if (!first || !('ParamRef' in first)) return true;
      const number = first.ParamRef.number ?? 0;
      if (['extract', 'date_part', 'date_trunc'].includes(name)) note(number, 'date-part');
      if (/^(to_tsvector|(plainto_|phraseto_|websearch_to_|to_)tsquery|ts_headline)$/.test(name)) {
        const isAlone = (each.FuncCall.args ?? []).length === 1;
        note(number, isAlone ? 'words' : 'text-search-configuration');
      }
    }
    if ('A_Expr' in each && ['->', '->>'].includes(lastName(each.A_Expr.name))) {
      const key = each.A_Expr.rexpr;
      if (key && 'ParamRef' in key) note(key.ParamRef.number ?? 0, 'has-key');
    }
    return true;
  });
  return found;
}
