import type { LineCounter, YAMLParseError } from 'yaml';
import type { ConfigMistake } from './config-error.ts';

const WORDS: Partial<Record<YAMLParseError['code'], string>> = {
  DUPLICATE_KEY: 'this key stands a second time in its section',
  MULTIPLE_DOCS: 'a second YAML document begins here, and a config is one document',
  TAB_AS_INDENT: 'a tab is used for the indentation, and YAML takes spaces only',
  BAD_INDENT: 'this line does not begin in the column of the other keys of its section',
  BLOCK_AS_IMPLICIT_KEY:
    'a value and keys below it do not go together: the next line is indented too far, or a colon needs quotes',
  MULTILINE_IMPLICIT_KEY:
    'this line is not "key: value": a colon needs a space after it, and a text of several lines needs quotes',
  MISSING_CHAR: 'a colon, comma, quote or bracket is missing',
  BAD_SCALAR_START: 'a text that begins with this character needs quotes',
  BAD_DQ_ESCAPE: 'a backslash in double quotes needs a second one; or use single quotes',
  KEY_OVER_1024_CHARS: 'a key is longer than 1024 characters',
};

/** What is wrong with a text that is not YAML, in our words: one mistake a line. */
export function yamlMistakes(
  errors: readonly YAMLParseError[],
  lines: LineCounter,
): readonly ConfigMistake[] {
  const byLine = new Map<number, ConfigMistake>();
  for (const { code, message, pos } of errors) {
    const { line } = lines.linePos(pos[0]);
    const plain = message.split('\n')[0]?.replace(/ at line \d+, column \d+:?$/, '') ?? '';
    if (!byLine.has(line)) byLine.set(line, { path: `line ${line}`, line, message: WORDS[code] ?? plain });
  }
  return [...byLine.values()];
}
