import { readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

const IMPORT = /^import \{([^}]*)\} from '([^']*\/index\.ts)';$/gm;
/** `const { a, b } = await import('…/index.ts');` */
const LATE_IMPORT = /(const \{([^{}]*)\} = await import\()'([^']*\/index\.ts)'\)/g;
const EXPORT = /^export (type )?\{([^}]*)\} from '([^']+)';$/gm;

/**
 * Rewrites the imports of a source from the `index.ts` of a room to the files that the names come from. Without that, esbuild takes a whole
 * room into a file where one name of it is wanted, and a sidecar would load what an agent needs. A name that an `index.ts` does not export
 * by name stays as it is.
 */
export function pastDoors(file: string, text: string): string {
  return lateImports(file, text).replaceAll(IMPORT, (statement, names: string, door: string) => {
    const rest: string[] = [];
    const direct = listed(names).flatMap((name) => {
      if (name.startsWith('type ')) return [];
      const [exported = '', local = exported] = name.split(' as ');
      const origin = originOf(join(dirname(file), door), exported);
      if (origin === undefined) {
        rest.push(name);
        return [];
      }
      const path = relative(dirname(file), origin.file);
      return `import { ${origin.name} as ${local} } from '${path.startsWith('.') ? path : `./${path}`}';`;
    });
    if (rest.length > 0) direct.push(`import { ${rest.join(', ')} } from '${door}';`);
    // On one line, so that the lines of a stack trace do not move.
    return [
      ...direct,
      ...statement
        .split('\n')
        .slice(1)
        .map(() => ''),
    ].join(' ');
  });
}

/** The same for an import that loads when it runs, where all of its names come from one file. */
function lateImports(file: string, text: string): string {
  return text.replaceAll(LATE_IMPORT, (statement, start: string, names: string, door: string) => {
    const origins = listed(names).map((each) => {
      const [exported = ''] = each.split(':');
      const origin = originOf(join(dirname(file), door), exported.trim());
      return origin?.name === exported.trim() ? origin.file : undefined;
    });
    const [origin] = origins;
    if (origin === undefined || origins.some((other) => other !== origin)) return statement;
    const path = relative(dirname(file), origin);
    return `${start}'${path.startsWith('.') ? path : `./${path}`}')`;
  });
}

interface Origin {
  readonly file: string;
  readonly name: string;
}

const doors = new Map<string, ReadonlyMap<string, Origin>>();

/** The file that an `index.ts` has a name from, through other `index.ts` too; undefined where it does not say. */
function originOf(door: string, name: string): Origin | undefined {
  let known = doors.get(door);
  if (known === undefined) {
    known = new Map(exportsOf(door));
    doors.set(door, known);
  }
  const found = known.get(name);
  return found?.file.endsWith('/index.ts') ? (originOf(found.file, found.name) ?? found) : found;
}

function exportsOf(door: string): [exported: string, origin: Origin][] {
  const text = readFileSync(door, 'utf8');
  return [...text.matchAll(EXPORT)].flatMap(([, types, names = '', from = '']) =>
    types === undefined
      ? listed(names)
          .filter((name) => !name.startsWith('type '))
          .map((each): [string, Origin] => {
            const [name = '', exported = name] = each.split(' as ');
            return [exported, { file: join(dirname(door), from), name }];
          })
      : [],
  );
}

function listed(names: string): string[] {
  return names
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}
