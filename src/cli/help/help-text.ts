import { wrap } from '../table.ts';

/**
 * Help of the parser for a reader: paragraphs of prose get lines of at most `width` columns.
 * Everything else, such as lists and examples, stays as it is.
 */
export function reflowed(help: string, width: number): string {
  return help
    .split('\n\n')
    .map((part) => {
      const lead = /^\n*/.exec(part)?.[0] ?? '';
      const text = part.slice(lead.length);
      return isProse(text) ? lead + wrap(text.replaceAll('\n', ' '), width).join('\n') : part;
    })
    .join('\n\n');
}

/** Several lines from the edge, without columns; not the line of the usage, and no heading. */
function isProse(text: string): boolean {
  const lines = text.split('\n');
  const isHeading = lines.length === 1 && text.endsWith(':');
  return (
    !isHeading &&
    !text.startsWith('Usage:') &&
    lines.every((line) => /^[^\s$]/.test(line) && !line.includes('  '))
  );
}
