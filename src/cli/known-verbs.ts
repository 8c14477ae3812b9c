import type { Command } from 'commander';
import { pathOf } from './federate-command.ts';
import { didYouMean } from '../platform/index.ts';
import { UsageError } from './usage-error.ts';

/**
 * Refuses a verb that there is not, also next to `--help`, where the parser would print the help of
 * the verb above and call it done. Throws `UsageError`.
 */
export function refuseUnknownVerb(program: Command, words: readonly string[]): void {
  let command = program;
  for (let index = 0; index < words.length; index += 1) {
    const word = words[index] ?? '';
    if (word === '--') return;
    if (word.startsWith('-') && word !== '-') {
      if (takesNextWord(command, word)) index += 1;
      continue;
    }
    const { commands } = command;
    const found = commands.find((each) => each.name() === word || each.aliases().includes(word));
    if (found) {
      command = found;
      continue;
    }
    // A verb that takes arguments may have verbs below it, too: this is an argument then.
    if (commands.length === 0 || command.registeredArguments.length > 0) return;
    const place = command === program ? '' : ` below ${JSON.stringify(command.name())}`;
    const names = commands.map((each) => each.name());
    throw new UsageError(`there is no verb ${JSON.stringify(word)}${place}${didYouMean(word, names)}`, {
      code: 'verb-unknown',
      hint: `"${pathOf(command)} --help" shows the verbs`,
    });
  }
}

function takesNextWord(command: Command, word: string): boolean {
  const option = command.options.find(({ short, long }) => word === short || word === long);
  return option !== undefined && (option.required || option.optional);
}
