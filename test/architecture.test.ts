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

/** The table of ARCHITECTURE.md, in whatever way the formatter pads it. */
function readRooms(): Map<string, Room> {
  const text = readFileSync(join(ROOT, 'ARCHITECTURE.md'), 'utf8');
  const table = /<!-- rooms:begin -->(.*)<!-- rooms:end -->/s.exec(text)?.[1] ?? '';
  const rooms = new Map<string, Room>();
  for (const line of table.split('\n')) {
    const cells = line.split('|').map((cell) => cell.trim());
    const [, floor, name, , packages, nodeModules] = cells;
    const room = /^`([a-z-]+)`$/.exec(name ?? '')?.[1];
    if (!room || floor === undefined || packages === undefined || nodeModules === undefined) continue;
    const words = (cell: string) => new Set(cell.split(/\s+/).filter((word) => word !== '–' && word !== ''));
    rooms.set(room, { floor: Number(floor), packages: words(packages), nodeModules: words(nodeModules) });
  }
  return rooms;
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

function violations(rooms: Map<string, Room>, file: string, text: string): string[] {
  const [roomName = ''] = relative(SRC, file).split('/');
  const room = rooms.get(roomName);
  if (!room) return [`${relative(ROOT, file)}: room ${roomName} is not in the table`];
  const found: string[] = [];
  const say = (what: string) => found.push(`${relative(ROOT, file)}: ${what}`);
  for (const specifier of importsOf(text)) {
    if (specifier.startsWith('node:')) {
      const module = specifier.slice('node:'.length);
      const base = module.split('/')[0] ?? '';
      if (!FREE_NODE_MODULES.has(module) && !room.nodeModules.has(base)) say(`may not use ${specifier}`);
    } else if (specifier.startsWith('.')) {
      const target = resolve(dirname(file), specifier);
      const [targetRoom = '', ...inner] = relative(SRC, target).split('/');
      if (targetRoom === roomName) {
        if (inner.join('/') === 'index.ts') say('imports its own index.ts');
        continue;
      }
      const other = rooms.get(targetRoom);
      if (!other) say(`imports ${specifier}, which is in no room`);
      else if (other.floor >= room.floor)
        say(`room ${roomName} (floor ${room.floor}) imports ${targetRoom} (floor ${other.floor})`);
      else if (inner.join('/') !== 'index.ts') say(`imports ${specifier} past the door of ${targetRoom}`);
    } else {
      const name = specifier
        .split('/')
        .slice(0, specifier.startsWith('@') ? 2 : 1)
        .join('/');
      if (!room.packages.has(name)) say(`may not use package ${name}`);
    }
  }
  return found;
}

function sourceFiles(): string[] {
  return readdirSync(SRC, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(SRC, name));
}

describe('the rooms of ARCHITECTURE.md', () => {
  const rooms = readRooms();

  it('are the folders of src/, no more and no fewer', () => {
    const folders = readdirSync(SRC, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    expect([...rooms.keys()].sort()).toEqual(folders.map((folder) => folder.name).sort());
    expect(rooms.size).toBeGreaterThan(10);
  });

  it('hold every import: rooms below, through their doors, and the packages and node: modules listed', () => {
    const files = sourceFiles();
    expect(files.length).toBeGreaterThan(50);
    expect(files.flatMap((file) => violations(rooms, file, readFileSync(file, 'utf8')))).toEqual([]);
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
    ['over several lines', `import {\n  x,\n  y,\n} from '../app/index.ts';`],
  ])('refuse %s', (_what, text) => {
    expect(violations(rooms, join(SRC, 'federation', 'sample.ts'), text)).toHaveLength(1);
  });

  it('allow what the table lists', () => {
    const text = `import { Agent } from 'undici';\nimport { x } from '../spiffe/index.ts';\nimport tls from 'node:tls';`;
    expect(violations(rooms, join(SRC, 'federation', 'sample.ts'), text)).toEqual([]);
  });

  it('keep every file of src/ under 400 lines', () => {
    const long = sourceFiles().filter((file) => readFileSync(file, 'utf8').split('\n').length > 400);
    expect(long.map((file) => relative(ROOT, file))).toEqual([]);
  });
});
