import type { Command, Option } from 'commander';
import { printable } from '../../platform/index.ts';
import { nameOf, type ReadingPlace, readingPlace } from './reading-place.ts';
import type { Ask, Candidate } from './values.ts';

/** What can stand at a place: these words, or the name of a file. */
export type Completion =
  | { readonly kind: 'files' }
  | { readonly kind: 'words'; readonly words: readonly Candidate[] };

/** The value of this option or argument: words, the names of files, or nothing that is known. */
type Value = 'files' | readonly Candidate[];

/**
 * What can stand in the place of the last word. `ask` gives what a running agent knows. Gives only
 * words that begin as the last one, and that a shell reads as they are. A name of a peer must not
 * become a command.
 */
export async function complete(program: Command, words: readonly string[], ask: Ask): Promise<Completion> {
  const current = words.at(-1) ?? '';
  const place = readingPlace(program, words);
  const value = await valueAt(place, current, ask);
  if (value === 'files') return { kind: 'files' };
  const found = [...value, ...verbsAt(place, current), ...optionsAt(place, current)]
    .map(({ value: word, help }) => ({ value: place.prefix + word, help: printable(help ?? '', 80) }))
    .filter((each) => each.value.startsWith(current) && PLAIN.test(each.value));
  const byValue = new Map(found.map((each) => [each.value, each]));
  return { kind: 'words', words: [...byValue.values()] };
}

/** No quotes, blanks, dollars or stars: no shell reads anything into these characters. */
const PLAIN = /^[A-Za-z0-9_.:/@%+=,-]+$/;

async function valueAt(
  { option, argument, takesOption, ...place }: ReadingPlace,
  current: string,
  ask: Ask,
): Promise<Value> {
  if (option) return option.argChoices?.map(wordOf) ?? (await ask(placeholderOf(option.flags), place));
  if (!argument || (takesOption && current.startsWith('-'))) return [];
  return argument.argChoices?.map(wordOf) ?? (await ask(argument.name(), place));
}

function wordOf(value: string): Candidate {
  return { value };
}

/** `file` of `--config <file>`. */
function placeholderOf(flags: string): string {
  return /[<[]([^\]>]+)[\]>]/.exec(flags)?.[1]?.replace('...', '') ?? '';
}

function verbsAt({ command, takesVerb }: ReadingPlace, current: string): readonly Candidate[] {
  if (!takesVerb || current.startsWith('-')) return [];
  return command
    .createHelp()
    .visibleCommands(command)
    .map((verb) => ({ value: verb.name(), help: verb.description() }));
}

/**
 * The options that are not given, or can be given again. They are not wanted before a dash is
 * typed.
 */
function optionsAt({ command, takesOption, values }: ReadingPlace, current: string): readonly Candidate[] {
  if (!takesOption || !current.startsWith('-')) return [];
  return command
    .createHelp()
    .visibleOptions(command)
    .filter((option) => !values.has(nameOf(option)) || isRepeatable(option))
    .map((option) => ({ value: nameOf(option), help: option.description }));
}

/** An option whose value is collected. The parser of one with choices only checks them. */
function isRepeatable({ parseArg, argChoices }: Option): boolean {
  return parseArg !== undefined && argChoices === undefined;
}
