import { renderTable, wrap } from '../table.ts';
import { padded, type View, widthOf } from '../view.ts';

/**
 * A page of docs/ as text for a terminal. It reads the Markdown that our pages have: headings,
 * paragraphs, lists, tables, code, links. A library would be larger than the command.
 */
export function pageText(markdown: string, view: View): string {
  return blocksOf(markdown.replaceAll(/<!--[^]*?-->\n*/g, ''))
    .map((block) => renderBlock(block, view))
    .join('\n\n');
}

/** A block: its lines, and what they are. */
interface Block {
  readonly kind: 'code' | 'heading' | 'table' | 'list' | 'text';
  readonly lines: readonly string[];
}

const FENCE = /^( *)```/;
const ITEM = /^ *(?:[-*]|\d+\.) /;

function blocksOf(markdown: string): Block[] {
  const blocks: { kind: Block['kind']; lines: string[] }[] = [];
  let fence: string | undefined;
  let isOpen = false;
  for (const line of markdown.split('\n')) {
    const indent = FENCE.exec(line)?.[1];
    if (indent !== undefined) {
      if (fence === undefined) blocks.push({ kind: 'code', lines: [] });
      fence = fence === undefined ? indent : undefined;
      isOpen = false;
      continue;
    }
    const last = blocks.at(-1);
    if (fence !== undefined) last?.lines.push(line.startsWith(fence) ? line.slice(fence.length) : line);
    else if (line.trim() === '') isOpen = false;
    else if (isOpen && last && !startsBlock(line)) last.lines.push(line);
    else {
      blocks.push({ kind: kindOf(line), lines: [line] });
      isOpen = kindOf(line) !== 'heading';
    }
  }
  return blocks;
}

function startsBlock(line: string): boolean {
  return line.startsWith('#');
}

function kindOf(line: string): Block['kind'] {
  if (/^#+ /.test(line)) return 'heading';
  if (line.startsWith('|')) return 'table';
  return ITEM.test(line) ? 'list' : 'text';
}

function renderBlock({ kind, lines }: Block, view: View): string {
  switch (kind) {
    case 'code':
      return lines.map((line) => `    ${view.paint('cyan', line)}`).join('\n');
    case 'heading':
      return renderHeading(lines.join(' '), view);
    case 'table':
      return renderRows(lines, view);
    case 'list':
      return itemsOf(lines)
        .map((item) => renderItem(item, view))
        .join('\n');
    case 'text':
      return wrap(inline(lines.map((line) => line.trim()).join(' '), view), widthIn(view)).join('\n');
  }
}

function widthIn({ columns = 80 }: View): number {
  return columns;
}

function renderHeading(line: string, view: View): string {
  const [, level = '', title = ''] = /^(#+) (.*)$/.exec(line) ?? [];
  const text = inline(title, view);
  const rule = level.length === 1 ? '=' : '-';
  const under = level.length > 2 ? '' : `\n${rule.repeat(widthOf(text))}`;
  return `${view.paint('bold', text)}${under}`;
}

function renderRows(lines: readonly string[], view: View): string {
  const [headings = [], , ...rows] = lines.map((line) => cellsOf(line).map((cell) => inline(cell, view)));
  if (headings.every((heading) => heading === ''))
    return rows.map((row) => wrap(row.join('  '), widthIn(view)).join('\n')).join('\n');
  return renderTable(headings, rows, view);
}

/** The cells of a row. A bar after a backslash belongs to its cell. */
function cellsOf(line: string): string[] {
  return line
    .trim()
    .replace(/^\||\|$/g, '')
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim().replaceAll('\\|', '|'));
}

/** The items of a list, with the lines that continue them. */
function itemsOf(lines: readonly string[]): string[] {
  const items: string[] = [];
  for (const line of lines)
    if (ITEM.test(line) || items.length === 0) items.push(line);
    else items.push(`${items.pop() ?? ''} ${line.trim()}`);
  return items;
}

function renderItem(item: string, view: View): string {
  const [mark = ''] = ITEM.exec(item) ?? [];
  const lines = wrap(inline(item.slice(mark.length), view), widthIn(view) - mark.length);
  return lines.map((line, index) => (index === 0 ? mark + line : padded('', mark.length) + line)).join('\n');
}

/** Code, links and emphasis within a line. Code is put aside first, because it has no marks. */
function inline(text: string, view: View): string {
  const code: string[] = [];
  return text
    .replaceAll(/`[^`]+`/g, (span) => `\uE000${code.push(span) - 1}\uE000`)
    .replaceAll(/!?\[([^\]]*)\]\((https?:[^)]*)\)/g, '$1 <$2>')
    .replaceAll(/!?\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replaceAll(/\*\*([^*]+)\*\*/g, (_, strong: string) => view.paint('bold', strong))
    .replaceAll(/(?<![\w*])\*([^*\s][^*]*)\*(?![\w*])/g, '$1')
    .replaceAll(/\\([|_*<>[\]])/g, '$1')
    .replaceAll(/\uE000(\d+)\uE000/g, (_, index: string) => view.paint('cyan', code[Number(index)] ?? ''));
}
