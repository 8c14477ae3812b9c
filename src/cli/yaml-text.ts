import { printableLines } from '../platform/index.ts';
import { Document, Scalar, visit } from 'yaml';

/**
 * A document as YAML 1.2, safe for a terminal. A text that a reader of YAML 1.1 would take for
 * something else, such as a time or `no`, is in quotes. A text with characters that could steer the terminal
 * is in double quotes, with each of these characters as an escape.
 */
export function yamlText(data: unknown): string {
  const document = new Document(data, { aliasDuplicateObjects: false, compat: 'yaml-1.1' });
  visit(document, {
    Scalar: (_, node) => {
      if (typeof node.value === 'string' && printableLines(node.value) !== node.value)
        node.type = Scalar.QUOTE_DOUBLE;
    },
  });
  const text = document.toString({ lineWidth: 0 });
  return Array.from(text)
    .map((character) => (printableLines(character) === character ? character : escaped(character)))
    .join('');
}

function escaped(character: string): string {
  const hex = (character.codePointAt(0) ?? 0).toString(16);
  return hex.length > 4 ? `\\U${hex.padStart(8, '0')}` : `\\u${hex.padStart(4, '0')}`;
}
