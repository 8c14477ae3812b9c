import type { Command } from 'commander';
import { createProgram } from '../src/cli/main.ts';
import { createTerminal } from '../src/cli/terminal.ts';
import { systemClock } from '../src/platform/index.ts';

/** The whole command line, whose verbs do nothing when they run. `said` collects what it prints. */
export function idleProgram(printed: string[] = []): Command {
  const outlet = {
    out: (text: string) => void printed.push(text),
    err: (text: string) => void printed.push(text),
  };
  const program = createProgram(createTerminal(outlet, systemClock));
  for (const verb of verbsOf(program)) verb.action(() => undefined);
  return program;
}

/** The verbs that do something: those without verbs below them, and those with arguments or options of their own. */
export function verbsOf(command: Command): Command[] {
  const below = command.commands.flatMap(verbsOf);
  const acts = command.parent !== null && (command.commands.length === 0 || command.options.length > 0);
  return acts ? [command, ...below] : below;
}

/** The calls of `federate` in lines of shell, each as its words. A line that ends with a backslash goes on in the next one. */
export function callsIn(shell: string): string[][] {
  return shell
    .replaceAll(/\\\n\s*/g, ' ')
    .split('\n')
    .flatMap((line) => commandsOf(line.replace(/^\s*\$ /, '')))
    .map((words) => words.slice(words.findIndex((word) => !/^(?:npx|sudo|env|exec|time|\w+=.*)$/.test(word))))
    .filter(([first, second]) => first === 'federate' && second !== undefined)
    .map(([, ...words]) => words);
}

/** The simple commands of a line of shell, without redirections, comments and what only a shell reads. */
function commandsOf(line: string): string[][] {
  const commands: string[][] = [[]];
  const tokens = line.matchAll(
    /\s+|#.*$|<\(|\$\(|\)|&&|\|\||[|;&]|\d?>>?|<|(?:"(?:\\.|[^"\\])*"|'[^']*'|[^\s"'|;&<>()#])+|./g,
  );
  let isFile = false;
  for (const [token] of tokens) {
    if (/^\s/.test(token) || token.startsWith('#')) continue;
    if (/^(?:<\(|\$\(|\)|&&|\|\||[|;&])$/.test(token)) commands.push([]);
    else if (/^(?:\d?>>?|<)$/.test(token)) isFile = true;
    else if (isFile) isFile = false;
    else
      commands
        .at(-1)
        ?.push(token.replaceAll(/"((?:\\.|[^"\\])*)"|'([^']*)'/g, (_, double, single) => double ?? single));
  }
  return commands;
}
