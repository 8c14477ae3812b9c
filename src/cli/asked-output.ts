import { OUTPUT_FORMATS, type OutputFormat } from './terminal.ts';
import { COLOR_CHOICES, type DisplayOptions } from './view.ts';

/**
 * The output that the words ask for, read from the words themselves: an error may come before the
 * parser has read them.
 */
export function askedOutput(words: readonly string[]): {
  readonly format: OutputFormat;
  readonly display: DisplayOptions;
} {
  const end = words.indexOf('--');
  const text = `\n${(end < 0 ? words : words.slice(0, end)).join('\n')}\n`;
  const output = /\n(?:--output[=\n]|-o\n?)(.*)\n/.exec(text)?.[1];
  const color = /\n--color[=\n](.*)\n/.exec(text)?.[1];
  return {
    format: OUTPUT_FORMATS.find((each) => each === output) ?? 'text',
    display: {
      utc: text.includes('\n--utc\n'),
      color: COLOR_CHOICES.find((each) => each === color),
    },
  };
}
