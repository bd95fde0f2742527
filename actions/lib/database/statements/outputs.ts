import type { Node } from 'libpg-query';
import type { Output, Scope } from './scope.ts';
import { originsOf } from './subject.ts';
import { lastName, nameParts } from './syntax.ts';

/** The columns of a result, as its SELECT or RETURNING lists them. */
export function outputsOf(targets: readonly Node[], scope: Scope): Output[] {
  return targets.flatMap((target): Output[] => {
    if (!('ResTarget' in target) || !target.ResTarget.val) return [];
    const { name, val } = target.ResTarget;
    if ('ColumnRef' in val) {
      const fields = val.ColumnRef.fields ?? [];
      if (fields.some(field => 'A_Star' in field)) {
        const qualifier = nameParts(fields).at(-1);
        const sources = scope.sources.filter(source => qualifier === undefined || source.name === qualifier);
        return sources.flatMap(source => source.outputs);
      }
      return [{ name: name ?? nameParts(fields).at(-1) ?? '', origins: originsOf(val, scope) }];
    }
    const implied = 'FuncCall' in val ? lastName(val.FuncCall.funcname) : '?column?';
    return [{ name: name ?? implied, origins: [] }];
  });
}

/** The same columns under the names that an alias gives them; it may name the first ones only. */
export function named(outputs: readonly Output[], names: readonly string[]): readonly Output[] {
  return names.length === 0 ? outputs : outputs.map((output, n) => ({ ...output, name: names[n] ?? output.name }));
}
