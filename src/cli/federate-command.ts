import { Command, type ErrorOptions as CommanderErrorOptions } from 'commander';
import { didYouMean } from '../platform/index.ts';
import { UsageError } from './usage-error.ts';

/**
 * A command whose parser refuses a call with a `UsageError`: one sentence of ours, a stable code and
 * what was probably meant.
 */
export class FederateCommand extends Command {
  override createCommand(name?: string): FederateCommand {
    return new FederateCommand(name);
  }

  override error(message: string, { code = '' }: CommanderErrorOptions = {}): never {
    const refuse = REFUSALS[code];
    throw refuse === undefined
      ? new UsageError(message.replace(/^error: /, ''))
      : refuse(this, message.replace(/^error: /, ''));
  }
}

/** `federate bundle show`. */
export function pathOf(command: Command): string {
  const { parent } = command;
  return parent ? `${pathOf(parent)} ${command.name()}` : command.name();
}

const helpHint = (command: Command) => `"${pathOf(command)} --help" shows what it takes`;

/** By commander's code, which its message is read with. */
const REFUSALS: Readonly<Record<string, (command: Command, message: string) => UsageError>> = {
  'commander.unknownOption': (command, message) => {
    const flag = /^unknown option '([^]*)'$/.exec(message)?.[1] ?? '';
    return new UsageError(
      `"${pathOf(command)}" has no option ${JSON.stringify(flag)}${meantBy(flag, command)}`,
      { code: 'option-unknown', hint: helpHint(command) },
    );
  },
  'commander.missingArgument': (command, message) =>
    new UsageError(`"${pathOf(command)}" needs <${quotedIn(message)}>`, {
      code: 'argument-missing',
      hint: helpHint(command),
    }),
  'commander.optionMissingArgument': (command, message) =>
    new UsageError(`the option ${quotedIn(message)} needs a value`, {
      code: 'option-value-missing',
      hint: helpHint(command),
    }),
  'commander.missingMandatoryOptionValue': (command, message) =>
    new UsageError(`"${pathOf(command)}" needs the option ${quotedIn(message)}`, {
      code: 'option-missing',
      hint: helpHint(command),
    }),
  'commander.conflictingOption': (command, message) => {
    const [one, other] = [...message.matchAll(/'([^']*)'/g)].map(([, flags]) => flags);
    return new UsageError(`the options ${one ?? ''} and ${other ?? ''} do not go together`, {
      code: 'options-conflict',
      hint: helpHint(command),
    });
  },
  'commander.excessArguments': (command) => {
    const { length: most } = command.registeredArguments;
    const extra = JSON.stringify(command.args[most] ?? '');
    const takes = most === 0 ? 'no arguments' : most === 1 ? 'one argument' : `${most} arguments`;
    return new UsageError(`"${pathOf(command)}" takes ${takes}, and ${extra} is one too many`, {
      code: 'argument-unexpected',
      hint: helpHint(command),
    });
  },
  'commander.invalidArgument': (command, message) => {
    const ofOption = /^option '([^']*)' (?:argument|value) '([^]*)' (?:from env '[^']*' )?is invalid\./.exec(
      message,
    );
    const ofArgument = /^command-argument value '([^]*)' is invalid for argument '([^']*)'\./.exec(message);
    const [, flags, ofFlags = ''] = ofOption ?? [];
    const [, given = ofFlags, name = ''] = ofArgument ?? [];
    const found =
      flags === undefined
        ? command.registeredArguments.find((each) => each.name() === name)
        : command.options.find((each) => each.flags === flags);
    const choices = found?.argChoices ?? [];
    const what = flags === undefined ? `<${name}>` : `the option ${flags}`;
    const [, why = ''] = / is invalid(?: for argument '[^']*')?\. ([^]*)$/.exec(message) ?? [];
    return new UsageError(
      choices.length > 0
        ? `${what} is one of ${choices.join(', ')}, and ${JSON.stringify(given)} is not${didYouMean(given, choices)}`
        : `${what} cannot be ${JSON.stringify(given)}: ${why.replace(/\.$/, '')}`,
      { code: flags === undefined ? 'argument-invalid' : 'option-invalid', hint: helpHint(command) },
    );
  },
};

function quotedIn(message: string): string {
  return /'([^']*)'/.exec(message)?.[1] ?? '';
}

/** Habits of other commands, and what ours is called. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  '--json': '--output json',
  '--yaml': '--output yaml',
  '--no-color': '--color never',
  '--no-colour': '--color never',
  '--follow': '--watch',
};

function meantBy(flag: string, command: Command): string {
  const longs = command.options.flatMap(({ long, hidden }) => (long && !hidden ? [long] : []));
  const [name = ''] = flag.split('=');
  const elsewhere = ELSEWHERE[name];
  if (elsewhere !== undefined && longs.includes(elsewhere.split(' ')[0] ?? ''))
    return `; did you mean ${JSON.stringify(elsewhere)}?`;
  return didYouMean(name, [...longs, '--help']);
}
