import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';

/** The doors of the library, from `src/`. */
const DOORS = ['library/spiffe.ts', 'library/workload-api.ts', 'library/federation.ts'];

/** `import { a, type B as C } from './file.ts';`, as the compiler writes it, or the same with `export`. */
const STATEMENT = /^(import|export)( type)? \{([^}]*)\} from ['"]([^'"]+)['"];$/gm;
/** `import("./file.ts").Name`, which the compiler writes for types that the source does not name. */
const INLINE = /import\("([^"]+)"\)\.(\w+)/g;
/** What is left of relative names when the two above are gone. */
const OTHER = /(?:from|import\(?) ?["']\.[^"']*["']/;

/**
 * Writes the declarations of the library's doors below `folder`, and of everything behind them. A user checks all of it with
 * `skipLibCheck: false`. So a name that comes through the `index.ts` of a room is taken from its own file: that `index.ts` also leads to
 * files which need the types of other packages. Throws where one of these is needed all the same.
 */
export function writeTypes(root: string, folder: string): void {
  const compiled = mkdtempSync(join(tmpdir(), 'federate-types-'));
  try {
    execFileSync(
      process.execPath,
      [
        join(root, 'node_modules/typescript/bin/tsc'),
        '-p',
        'tools/build/tsconfig.types.json',
        '--outDir',
        compiled,
      ],
      { cwd: root, stdio: 'inherit' },
    );
    const done = new Set<string>();
    const waiting = DOORS.map((door) => join(compiled, door));
    for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
      if (done.has(file)) continue;
      done.add(file);
      const { text, needs } = straightened(file);
      waiting.push(...needs);
      const place = join(folder, declarationOf(relative(compiled, file)));
      mkdirSync(dirname(place), { recursive: true });
      writeFileSync(place, text);
    }
  } finally {
    rmSync(compiled, { recursive: true, force: true });
  }
}

/** The declarations of a source file, with each name taken from the file that declares it, and those files. */
function straightened(file: string): { readonly text: string; readonly needs: readonly string[] } {
  const needs: string[] = [];
  const place = (target: string) => {
    needs.push(target);
    const path = relative(dirname(file), target).replace(/\.ts$/, '.js');
    return path.startsWith('.') ? path : `./${path}`;
  };
  const read = readFileSync(declarationOf(file), 'utf8');
  const named = read.replaceAll(STATEMENT, (whole, verb: string, type = '', list: string, from: string) => {
    if (!from.startsWith('.')) return isOfNode(from, file) ? whole : '';
    const lines = itemsOf(list).map(({ isType, name, as }) => {
      const { file: target, name: inside } = declared(resolve(dirname(file), from), name);
      const item = inside === as ? as : `${inside} as ${as}`;
      return `${verb}${type} { ${isType ? 'type ' : ''}${item} } from '${place(target)}';`;
    });
    return lines.join('\n');
  });
  const text = named.replaceAll(INLINE, (whole, from: string, name: string) => {
    if (!from.startsWith('.')) return isOfNode(from, file) ? whole : '';
    const found = declared(resolve(dirname(file), from), name);
    return `import("${place(found.file)}").${found.name}`;
  });
  const other = OTHER.exec(text.replaceAll(STATEMENT, '').replaceAll(INLINE, ''));
  if (other) throw new Error(`${file}: cannot follow ${other[0]}`);
  return { text, needs };
}

interface Item {
  readonly isType: boolean;
  readonly name: string;
  readonly as: string;
}

function itemsOf(list: string): Item[] {
  return list
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
    .map((item) => {
      const [, type, name = '', as = name] = /^(type )?(\w+)(?: as (\w+))?$/.exec(item) ?? [];
      if (name === '') throw new Error(`cannot read ${JSON.stringify(item)}`);
      return { isType: type !== undefined, name, as };
    });
}

/** Where a name is declared that `file` exports, followed through the `index.ts` of rooms. */
function declared(file: string, name: string): { readonly file: string; readonly name: string } {
  if (!file.endsWith('/index.ts')) return { file, name };
  for (const [, verb, , list = '', from = ''] of readFileSync(declarationOf(file), 'utf8').matchAll(
    STATEMENT,
  )) {
    const item = verb === 'export' ? itemsOf(list).find(({ as }) => as === name) : undefined;
    if (item) return declared(resolve(dirname(file), from), item.name);
  }
  throw new Error(`${file} exports no ${name}`);
}

function isOfNode(specifier: string, file: string): boolean {
  if (specifier.startsWith('node:')) return true;
  throw new Error(`${file} needs the types of ${specifier}, which a user of the library may not have`);
}

function declarationOf(file: string): string {
  return file.replace(/\.ts$/, '.d.ts');
}
