import { parseAst } from 'vitest/node';

/** One test as its source declares it. A part of a title that is made when it runs is shown as `…`. */
export interface DeclaredTest {
  /** Titles from the outermost `describe` to the test itself. */
  readonly titles: readonly string[];
  /**
   * Texts that become part of the title when the test runs: literals in the table of `it.each` or `describe.each`, where the
   * title has a place for them.
   */
  readonly tableTexts: readonly string[];
}

interface Node {
  readonly type: string;
  readonly [property: string]: unknown;
}

interface Declaration {
  readonly kind: 'suite' | 'test';
  /** `skip`, `only`, `each` and the like, in the order they are written. */
  readonly modifiers: readonly string[];
  readonly table: readonly Node[];
}

const SUITES = new Set(['describe', 'suite']);
const TESTS = new Set(['it', 'test']);
const TABLES = new Set(['each', 'for']);
/** What keeps a test from running, or turns its meaning round. Conditions count too: somewhere they are not met. */
const IDLE = new Set(['skip', 'todo', 'fails', 'skipIf', 'runIf']);

/**
 * The tests that a TypeScript source declares and that really run: from its syntax tree, so that a title in a comment or a string
 * is none, and neither is what is skipped, planned or expected to fail, itself or by a suite around it.
 *
 * @throws whatever Vite's parser throws, if the text is no TypeScript
 */
export function collectTests(source: string): DeclaredTest[] {
  const found: DeclaredTest[] = [];
  walk(parseAst(source, { lang: 'ts' }), [], [], found);
  return found;
}

function walk(
  value: unknown,
  titles: readonly string[],
  texts: readonly string[],
  found: DeclaredTest[],
): void {
  if (Array.isArray(value)) {
    for (const each of value) walk(each, titles, texts, found);
    return;
  }
  if (!isNode(value)) return;
  const declaration = value.type === 'CallExpression' ? declarationOf(value['callee']) : undefined;
  if (declaration === undefined) {
    for (const child of Object.values(value)) walk(child, titles, texts, found);
    return;
  }
  const [title, ...rest] = nodesOf(value['arguments']);
  if (declaration.modifiers.some((name) => IDLE.has(name)) || rest.some(hasIdleOption)) return;
  const text = title === undefined ? '…' : textOf(title);
  const inner = [...titles, text];
  const innerTexts = [...texts, ...(/[%$]/.test(text) ? literalsIn(declaration.table) : [])];
  if (declaration.kind === 'suite') walk(rest, inner, innerTexts, found);
  else if (rest.some(isFunction) && !skipsItself(rest)) found.push({ titles: inner, tableTexts: innerTexts });
}

/** What `it`, `it.only`, `describe.each(table)` and so on declare when they are called; undefined for any other callee. */
function declarationOf(callee: unknown): Declaration | undefined {
  if (!isNode(callee)) return undefined;
  if (callee.type === 'Identifier') {
    const name = String(callee['name']);
    if (SUITES.has(name)) return { kind: 'suite', modifiers: [], table: [] };
    return TESTS.has(name) ? { kind: 'test', modifiers: [], table: [] } : undefined;
  }
  if (callee.type === 'MemberExpression') {
    const inner = declarationOf(callee['object']);
    const name = isNode(callee['property']) ? String(callee['property']['name']) : '';
    // `it.each(table)` alone declares nothing: what it returns does, when it is called.
    return inner && !TABLES.has(name) && name !== 'skipIf' && name !== 'runIf'
      ? { ...inner, modifiers: [...inner.modifiers, name] }
      : undefined;
  }
  const called = callee.type === 'CallExpression' ? callee['callee'] : callee['tag'];
  if (!isNode(called) || called.type !== 'MemberExpression' || !isNode(called['property'])) return undefined;
  const inner = declarationOf(called['object']);
  return (
    inner && {
      ...inner,
      modifiers: [...inner.modifiers, String(called['property']['name'])],
      table: nodesOf(callee['arguments']),
    }
  );
}

function textOf(node: Node): string {
  switch (node.type) {
    case 'Literal':
      return String(node['value']);
    case 'TemplateLiteral':
      return nodesOf(node['quasis'])
        .map((quasi) => (quasi['value'] as { readonly cooked?: string } | undefined)?.cooked ?? '')
        .join('…');
    case 'BinaryExpression':
      return `${isNode(node['left']) ? textOf(node['left']) : '…'}${isNode(node['right']) ? textOf(node['right']) : '…'}`;
    default:
      return '…';
  }
}

function literalsIn(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(literalsIn);
  if (!isNode(value)) return [];
  if (value.type === 'Literal') return typeof value['value'] === 'string' ? [value['value']] : [];
  return Object.values(value).flatMap(literalsIn);
}

/** `it('…', { skip: true }, …)`. */
function hasIdleOption(node: Node): boolean {
  return (
    node.type === 'ObjectExpression' &&
    nodesOf(node['properties']).some(({ key }) => isNode(key) && IDLE.has(String(key['name'])))
  );
}

/** A body that calls `skip()` of its context may end without having shown anything. */
function skipsItself(value: unknown): boolean {
  if (Array.isArray(value)) return value.some(skipsItself);
  if (!isNode(value)) return false;
  if (value.type === 'CallExpression' && isNode(value['callee'])) {
    const callee = value['callee'];
    const name = callee.type === 'MemberExpression' ? callee['property'] : callee;
    if (isNode(name) && name['name'] === 'skip') return true;
  }
  return Object.values(value).some(skipsItself);
}

function isFunction(node: Node): boolean {
  return node.type.endsWith('FunctionExpression') || node.type === 'Identifier';
}

function nodesOf(value: unknown): Node[] {
  return Array.isArray(value) ? value.filter(isNode) : [];
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string';
}
