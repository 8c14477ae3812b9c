import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { withDisplay } from '../agent-options.ts';
import { helpTopics, titleOf, topicNamed } from '../help/pages.ts';
import { renderFields } from '../table.ts';
import type { Terminal } from '../terminal.ts';

/** A page is for reading: no line is longer than eyes can follow. */
const MOST_COLUMNS = 100;

/** `federate help`: the help of a verb, or a page of the documentation as text. */
export function helpCommand(program: Command, terminal: Terminal): void {
  program.helpCommand(false);
  withDisplay(program.command('help'))
    .argument('[topic...]', 'a verb, or a page of the documentation; "topics" lists the pages')
    .option('--page', 'the page where a verb has the same name')
    .description('the help of a verb, or a page of the documentation as text')
    .addHelpText(
      'after',
      `
A long page goes through the program that PAGER names, where a terminal reads it.

Examples:
  $ federate help bundle show
  $ federate help topics
  $ federate help operations
  $ federate help istio
  $ federate help --page rotation`,
    )
    .action(async (words: readonly string[], options: { readonly page?: boolean }) => {
      const verb = verbNamed(program, words);
      if (verb && options.page !== true) {
        verb.outputHelp();
        return;
      }
      const { view } = terminal;
      const columns = Math.min(view.columns ?? 80, MOST_COLUMNS);
      const topics = helpTopics();
      if (words.length === 0 || words.join(' ') === 'topics') {
        const rows = topics.map((topic): [string, string] => [topic.name, titleOf(topic)]);
        terminal.out(renderFields(rows, { ...view, columns }));
        return;
      }
      const names = program.commands.map((each) => each.name());
      const { file } = topicNamed(words.join(' '), topics, names);
      const { pageText } = await import('../help/page-text.ts');
      await terminal.page(pageText(readFileSync(file, 'utf8'), { ...view, columns }));
    });
}

/** The verb that all of the words name; the program itself without words. */
function verbNamed(program: Command, words: readonly string[]): Command | undefined {
  let command: Command | undefined = program;
  for (const word of words) command = command?.commands.find((each) => each.name() === word);
  return command;
}
