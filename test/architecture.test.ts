import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const ROOT = resolve(import.meta.dirname, '..');
const SRC = join(ROOT, 'src');
const FREE_NODE_MODULES = new Set(['buffer', 'events', 'timers', 'timers/promises', 'util']);

interface Room {
  readonly floor: number;
  readonly packages: ReadonlySet<string>;
  readonly nodeModules: ReadonlySet<string>;
}

type Rooms = ReadonlyMap<string, Room>;
/** For each room with a ladder: its folders on their rungs. A folder imports only lower rungs of its own room. */
type Ladders = ReadonlyMap<string, ReadonlyMap<string, number>>;

/** The rows of one table of ARCHITECTURE.md, in whatever way the formatter pads it: the cells behind the first column. */
function tableRows(name: string): string[][] {
  const text = readFileSync(join(ROOT, 'ARCHITECTURE.md'), 'utf8');
  const table = new RegExp(`<!-- ${name}:begin -->(.*)<!-- ${name}:end -->`, 's').exec(text)?.[1] ?? '';
  return table.split('\n').map((line) =>
    line
      .split('|')
      .slice(1)
      .map((cell) => cell.trim()),
  );
}

const nameIn = (cell: string | undefined) => /^`([a-z0-9/-]+)`$/.exec(cell ?? '')?.[1];
const wordsIn = (cell: string) => new Set(cell.split(/\s+/).filter((word) => word !== '–' && word !== ''));

function readRooms(): Rooms {
  const rooms = new Map<string, Room>();
  for (const [floor, name, , packages, nodeModules] of tableRows('rooms')) {
    const room = nameIn(name);
    if (!room || packages === undefined || nodeModules === undefined) continue;
    rooms.set(room, { floor: Number(floor), packages: wordsIn(packages), nodeModules: wordsIn(nodeModules) });
  }
  return rooms;
}

/** Reads `a, b → c`: a and b are neighbours on the first rung, c stands above them. */
function readLadders(): Ladders {
  const ladders = new Map<string, ReadonlyMap<string, number>>();
  for (const [name, folders = ''] of tableRows('ladders')) {
    const room = nameIn(name);
    if (!room) continue;
    const rungs = folders
      .split('→')
      .map((rung) => rung.split(',').map((folder) => nameIn(folder.trim()) ?? ''));
    ladders.set(
      room,
      new Map(rungs.flatMap((rung, height) => rung.map((folder) => [folder, height] as const))),
    );
  }
  return ladders;
}

/** The room of a path below src/, and the rest of the path: `demonstration/sidecar` is a room of its own. */
function placeOf(rooms: Rooms, path: string): { readonly room: string; readonly inner: readonly string[] } {
  const parts = path.split('/');
  const deep = parts.slice(0, 2).join('/');
  return rooms.has(deep)
    ? { room: deep, inner: parts.slice(2) }
    : { room: parts[0] ?? '', inner: parts.slice(1) };
}

/** Every module a source text names: static, type-only, re-exported, side-effect, dynamic and required. */
function importsOf(text: string): string[] {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|[^:'"`])\/\/.*$/gm, '$1');
  const found = [
    ...code.matchAll(/(?:^|[;\s}])(?:import|export)\s[^'"`;]*?from\s*['"]([^'"]+)['"]/g),
    ...code.matchAll(/(?:^|[;\s])import\s*['"]([^'"]+)['"]/g),
    ...code.matchAll(/\b(?:import|require)\s*\(\s*['"]([^'"]+)['"]/g),
  ];
  return found.flatMap((match) => match[1] ?? []);
}

function violations(rooms: Rooms, ladders: Ladders, file: string, text: string): string[] {
  const { room: roomName, inner: ownPath } = placeOf(rooms, relative(SRC, file));
  const room = rooms.get(roomName);
  if (!room) return [`${relative(ROOT, file)}: room ${roomName} is not in the table`];
  const found: string[] = [];
  const report = (what: string) => found.push(`${relative(ROOT, file)}: ${what}`);
  for (const specifier of importsOf(text)) {
    if (specifier.startsWith('node:')) {
      const module = specifier.slice('node:'.length);
      if (!FREE_NODE_MODULES.has(module) && !room.nodeModules.has(baseOf(module)))
        report(`may not use ${specifier}`);
    } else if (specifier.startsWith('.')) {
      const target = placeOf(rooms, relative(SRC, resolve(dirname(file), specifier)));
      if (target.room === roomName) {
        const fault = faultInside(ladders.get(roomName), ownPath, target.inner);
        if (fault !== undefined) report(`${fault} (${specifier})`);
        continue;
      }
      const other = rooms.get(target.room);
      if (!other) report(`imports ${specifier}, which is in no room`);
      else if (other.floor >= room.floor)
        report(`room ${roomName} (floor ${room.floor}) imports ${target.room} (floor ${other.floor})`);
      else if (target.inner.join('/') !== 'index.ts')
        report(`imports ${specifier} past the door of ${target.room}`);
    } else {
      const name = packageOf(specifier);
      if (!room.packages.has(name)) report(`may not use package ${name}`);
    }
  }
  return found;
}

/** What is wrong with an import inside one room: its own door, or a folder that is not on a lower rung. */
function faultInside(
  ladder: ReadonlyMap<string, number> | undefined,
  from: readonly string[],
  to: readonly string[],
): string | undefined {
  if (to.join('/') === 'index.ts') return 'imports its own index.ts';
  if (!ladder || from.length < 2) return undefined;
  const [fromFolder = '', toFolder = ''] = [from[0], to.length < 2 ? undefined : to[0]];
  if (fromFolder === toFolder) return undefined;
  const [own, other] = [ladder.get(fromFolder), ladder.get(toFolder)];
  if (own === undefined) return `folder ${fromFolder} is not in the ladder`;
  if (other === undefined) return 'a folder imports a file of the room above it';
  return other < own ? undefined : `folder ${fromFolder} imports ${toFolder}, which is not below it`;
}

const baseOf = (module: string) => module.split('/')[0] ?? '';
const packageOf = (specifier: string) =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');

/** What the table allows and no file of the room imports. */
function unusedPermissions(rooms: Rooms, files: readonly string[]): string[] {
  const used = new Map([...rooms.keys()].map((room) => [room, new Set<string>()]));
  for (const file of files) {
    const uses = used.get(placeOf(rooms, relative(SRC, file)).room);
    for (const specifier of importsOf(readFileSync(file, 'utf8'))) {
      if (specifier.startsWith('node:')) uses?.add(`node:${baseOf(specifier.slice('node:'.length))}`);
      else if (!specifier.startsWith('.')) uses?.add(packageOf(specifier));
    }
  }
  return [...rooms].flatMap(([name, { packages, nodeModules }]) =>
    [...packages, ...[...nodeModules].map((module) => `node:${module}`)]
      .filter((permission) => used.get(name)?.has(permission) !== true)
      .map((permission) => `${name}: ${permission}`),
  );
}

/** One circle of imports, type-only ones too, or undefined. */
function circleIn(files: readonly string[]): string[] | undefined {
  const edges = new Map(
    files.map((file) => [
      file,
      importsOf(readFileSync(file, 'utf8'))
        .filter((specifier) => specifier.startsWith('.'))
        .map((specifier) => resolve(dirname(file), specifier)),
    ]),
  );
  const done = new Set<string>();
  const walk = (file: string, path: readonly string[]): string[] | undefined => {
    if (path.includes(file))
      return [...path.slice(path.indexOf(file)), file].map((each) => relative(SRC, each));
    if (done.has(file)) return undefined;
    for (const target of edges.get(file) ?? []) {
      const circle = walk(target, [...path, file]);
      if (circle) return circle;
    }
    done.add(file);
    return undefined;
  };
  for (const file of files) {
    const circle = walk(file, []);
    if (circle) return circle;
  }
  return undefined;
}

function sourceFiles(): string[] {
  return readdirSync(SRC, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(SRC, name));
}

describe('the rooms of ARCHITECTURE.md', () => {
  const rooms = readRooms();
  const ladders = readLadders();
  const foldersOf = (folder: string) =>
    readdirSync(join(SRC, folder), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);

  it('are the folders of src/, no more and no fewer', () => {
    const houses = new Set([...rooms.keys()].filter((name) => name.includes('/')).map(baseOf));
    const folders = foldersOf('').flatMap((name) =>
      houses.has(name) ? foldersOf(name).map((inner) => `${name}/${inner}`) : [name],
    );
    expect([...rooms.keys()].sort()).toEqual(folders.sort());
    expect(rooms.size).toBeGreaterThan(10);
  });

  it('with a ladder have exactly the folders that it names', () => {
    expect(ladders.size).toBeGreaterThanOrEqual(3);
    const named = [...ladders].map(([room, ladder]) => [room, [...ladder.keys()].sort()]);
    expect(named).toEqual([...ladders.keys()].map((room) => [room, foldersOf(room).sort()]));
  });

  it('use every permission that the table gives', () => {
    expect(unusedPermissions(rooms, sourceFiles())).toEqual([]);
  });

  it('have no circle of imports, type-only imports included', () => {
    expect(circleIn(sourceFiles())).toBeUndefined();
  });

  it('hold every import: rooms below, through their doors, and the packages and node: modules listed', () => {
    const files = sourceFiles();
    expect(files.length).toBeGreaterThan(50);
    expect(files.flatMap((file) => violations(rooms, ladders, file, readFileSync(file, 'utf8')))).toEqual([]);
  });

  it.each([
    ['an upper floor', `import { x } from '../app/index.ts';`],
    ['a type from an upper floor', `import type { X } from '../app/index.ts';`],
    ['a neighbour', `export { x } from '../gateway/index.ts';`],
    ['past a door', `import { x } from '../spiffe/bundle.ts';`],
    ['its own door', `import { x } from './index.ts';`],
    ['a package of another room', `import Database from 'better-sqlite3';`],
    ['a package, dynamically', `const x = await import('better-sqlite3');`],
    ['a node module not listed', `import { x } from 'node:child_process';`],
    ['over several lines', `import { \n  x, \n  y, \n } from '../app/index.ts';`],
  ])('refuse %s', (_what, text) => {
    expect(violations(rooms, ladders, join(SRC, 'federation', 'sample.ts'), text)).toHaveLength(1);
  });

  it.each([
    ['a higher rung', `import { x } from '../svid/x509-svid.ts';`],
    ['a type of a higher rung', `import type { X } from '../svid/x509-svid.ts';`],
    ['the room above its folders', `import { x } from '../sample.ts';`],
    ['its own door', `import { x } from '../index.ts';`],
  ])('refuse, inside a ladder, %s', (_what, text) => {
    expect(violations(rooms, ladders, join(SRC, 'spiffe', 'bundle', 'sample.ts'), text)).toHaveLength(1);
  });

  it('allow lower rungs inside a ladder', () => {
    const text = `import { x } from '../id/spiffe-id.ts';\nimport { y } from './bundle.ts';`;
    expect(violations(rooms, ladders, join(SRC, 'spiffe', 'bundle', 'sample.ts'), text)).toEqual([]);
  });

  it('allow what the table lists', () => {
    const text = `import { Agent } from 'undici';\nimport { x } from '../spiffe/index.ts';\nimport tls from 'node:tls';`;
    expect(violations(rooms, ladders, join(SRC, 'federation', 'sample.ts'), text)).toEqual([]);
  });

  it('keep every file of src/ under 400 lines', () => {
    const long = sourceFiles().filter((file) => readFileSync(file, 'utf8').split('\n').length > 400);
    expect(long.map((file) => relative(ROOT, file))).toEqual([]);
  });
});
