import type { Argument, Command, Option } from 'commander';
import { defined } from '../../objects/index.ts';

/** Where in the command line the word is that is to be completed. */
export interface ReadingPlace {
  readonly command: Command;
  /** The value of this option comes here. */
  readonly option?: Option;
  /** The option is in the same word, as `--option=`; this is what is before the value. */
  readonly prefix: string;
  /** The argument that comes here; undefined where none can. */
  readonly argument: Argument | undefined;
  /** Whether a verb below `command` can come here. */
  readonly takesVerb: boolean;
  /** Whether an option can come here: not behind `--`. */
  readonly takesOption: boolean;
  /** The arguments before it. */
  readonly given: readonly string[];
  /** The last value of each option before it, by its long name. */
  readonly values: ReadonlyMap<string, string>;
}

/** Reads the words before the last one as the parser would, and never refuses any. */
export function readingPlace(program: Command, words: readonly string[]): ReadingPlace {
  const before = words.slice(0, -1);
  const current = words.at(-1) ?? '';
  const values = new Map<string, string>();
  const given: string[] = [];
  let command = program;
  let onlyArguments = false;
  let pending: Option | undefined;
  for (const word of before) {
    if (pending) {
      values.set(nameOf(pending), word);
      pending = undefined;
    } else if (onlyArguments) given.push(word);
    else if (word === '--') onlyArguments = true;
    else if (word.startsWith('-') && word !== '-') {
      const { option, value } = optionIn(command, word);
      if (option && value !== undefined) values.set(nameOf(option), value);
      else if (option && takesValue(option)) pending = option;
      else if (option) values.set(nameOf(option), '');
    } else {
      const verb = given.length === 0 ? verbIn(command, word) : undefined;
      if (verb) command = verb;
      else given.push(word);
    }
  }
  const place = { command, given, values };
  if (pending) return { ...place, option: pending, prefix: '', ...NOTHING };
  const inside = onlyArguments ? undefined : /^(--[^=]+=)/.exec(current)?.[1];
  const { option } = inside === undefined ? { option: undefined } : optionIn(command, inside);
  if (inside !== undefined && option) return { ...place, option, prefix: inside, ...NOTHING };
  return {
    ...place,
    prefix: '',
    argument: argumentAt(command, given.length),
    takesVerb: !onlyArguments && given.length === 0 && command.commands.length > 0,
    takesOption: !onlyArguments,
  };
}

const NOTHING = { argument: undefined, takesVerb: false, takesOption: false } as const;

/** The option that a word names, and the value in the same word. */
function optionIn(command: Command, word: string): { readonly option?: Option; readonly value?: string } {
  const [, name = word, value] = /^(--[^=]+)=([^]*)$/.exec(word) ?? [];
  const found = command.options.find(({ short, long }) => name === long || name === short);
  if (found) return { option: found, ...defined({ value }) };
  // `-ojson`
  const short = command.options.find((each) => each.short !== undefined && word.startsWith(each.short));
  return short && takesValue(short) && !word.startsWith('--') ? { option: short, value: word.slice(2) } : {};
}

function takesValue(option: Option): boolean {
  return option.required || option.optional;
}

/** The long name of an option, such as `--output`. */
export function nameOf({ long, flags }: Option): string {
  return long ?? flags;
}

function verbIn({ commands }: Command, word: string): Command | undefined {
  return commands.find((each) => each.name() === word || each.aliases().includes(word));
}

function argumentAt({ registeredArguments: all }: Command, index: number): Argument | undefined {
  const last = all.at(-1);
  return all[index] ?? (last?.variadic === true ? last : undefined);
}
