import { type Caller, callerText } from '../access/caller.ts';
import type { HeaderMatch, HttpCondition } from '../access/http-condition.ts';
import { defined } from '../../objects/index.ts';

/** One combination of conditions: all that are there must hold. */
export interface Atom {
  readonly method?: string;
  /** Exact. */
  readonly path?: string;
  readonly headers: readonly HeaderMatch[];
}

/** What may be called under an atom, and by whom. */
export interface AtomCallers {
  readonly atom: Atom;
  readonly callers: readonly Caller[];
}

/** Above this many, a policy is too large for a mesh that matches one route for each request. */
export const MAX_ATOMS = 64;

/** The atoms of a condition with exact paths. */
export function atomsOf(http: HttpCondition | undefined): readonly Atom[] {
  const methods = http?.methods ?? [undefined];
  const paths = http?.paths?.map(({ path }) => path) ?? [undefined];
  return methods.flatMap((method) =>
    paths.map((path) => ({ ...defined({ method, path }), headers: http?.headers ?? [] })),
  );
}

/**
 * Atoms for a mesh that judges a request by its most specific match alone. Adds every intersection,
 * and gives each atom the callers of all atoms that it is a case of. Undefined above `MAX_ATOMS`.
 */
export function closedAtoms(rules: readonly AtomCallers[]): readonly AtomCallers[] | undefined {
  const atoms = new Map<string, Atom>();
  const waiting = rules.map(({ atom }) => atom);
  for (let atom = waiting.pop(); atom !== undefined; atom = waiting.pop()) {
    const key = keyOf(atom);
    if (atoms.has(key)) continue;
    if (atoms.size === MAX_ATOMS) return undefined;
    for (const other of atoms.values()) {
      const both = intersection(atom, other);
      if (both) waiting.push(both);
    }
    atoms.set(key, atom);
  }
  return [...atoms.values()].map((atom) => {
    const callers = rules.filter((rule) => isCase(atom, rule.atom)).flatMap((rule) => rule.callers);
    return { atom, callers: [...new Map(callers.map((caller) => [callerText(caller), caller])).values()] };
  });
}

/** Whether every request that meets `special` meets `general` too. */
function isCase(special: Atom, general: Atom): boolean {
  if (general.method !== undefined && general.method !== special.method) return false;
  if (general.path !== undefined && general.path !== special.path) return false;
  return general.headers.every(({ name, value }) =>
    special.headers.some((each) => each.name === name && (value === undefined || each.value === value)),
  );
}

function intersection(a: Atom, b: Atom): Atom | undefined {
  if (a.method !== undefined && b.method !== undefined && a.method !== b.method) return undefined;
  if (a.path !== undefined && b.path !== undefined && a.path !== b.path) return undefined;
  const headers = new Map<string, string | undefined>();
  for (const { name, value } of [...a.headers, ...b.headers]) {
    const known = headers.get(name);
    if (known !== undefined && value !== undefined && known !== value) return undefined;
    headers.set(name, known ?? value);
  }
  return {
    ...defined({ method: a.method ?? b.method, path: a.path ?? b.path }),
    headers: [...headers].map(([name, value]) => ({ name, ...defined({ value }) })),
  };
}

function keyOf({ method, path, headers }: Atom): string {
  const names = headers
    .map(({ name, value }) => JSON.stringify([name, value]))
    .toSorted((a, b) => (a < b ? -1 : 1));
  return JSON.stringify([method, path, names]);
}
