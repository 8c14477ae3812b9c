import { createInterface } from 'node:readline';
import { CodedError, messageOf } from '../errors/index.ts';
import { printableLines } from '../platform/index.ts';

/** A question for an operator. */
export interface Question {
  readonly text: string;
  /** What an empty line means. */
  readonly usual?: string;
  /** The words that are accepted, any text without them; they can be named by number, too. */
  readonly choices?: readonly string[];
  /** Throws where the answer cannot be used; then the question comes again. */
  readonly check?: (answer: string) => void;
}

/** Asks on a terminal. The questions are on `output`, which is standard error as a rule. */
export interface Questions extends Disposable {
  /** Rejects with `CodedError` `init-called-off` at the end of the input and at Ctrl-C. */
  ask(question: Question): Promise<string>;
}

/** Opens `input` for questions until it is disposed of. */
export function openQuestions(input: NodeJS.ReadableStream, output: NodeJS.WritableStream): Questions {
  const lines = createInterface({ input, output });
  // Several lines may come at once, from a paste; each answers one question.
  const typed: string[] = [];
  let isEnded = false;
  let wake = () => {};
  lines.on('line', (line) => {
    typed.push(line);
    wake();
  });
  lines.once('close', () => {
    isEnded = true;
    wake();
  });
  const say = (text: string) => void output.write(`${printableLines(text)}\n`);
  const answerTo = async (prompt: string): Promise<string> => {
    if (typed.length === 0 && !isEnded) {
      lines.setPrompt(printableLines(prompt));
      lines.prompt();
      await new Promise<void>((resolve) => (wake = resolve));
    }
    const line = typed.shift();
    if (line !== undefined) return line.trim();
    output.write('\n');
    throw new CodedError('init-called-off', 'the questions were ended; nothing was written');
  };
  return {
    ask: async ({ text, usual, choices, check }) => {
      if (choices) for (const [index, choice] of choices.entries()) say(`  ${index + 1}  ${choice}`);
      for (;;) {
        const line = await answerTo(`${text}${usual === undefined ? '' : ` [${usual}]`}: `);
        const answer = meant(line === '' ? (usual ?? '') : line, choices);
        const problem = problemOf(answer, choices, check);
        if (problem === undefined) return answer;
        say(`  ${problem}`);
      }
    },
    [Symbol.dispose]: () => lines.close(),
  };
}

function meant(answer: string, choices: readonly string[] | undefined): string {
  return /^\d+$/.test(answer) ? (choices?.[Number(answer) - 1] ?? answer) : answer;
}

function problemOf(
  answer: string,
  choices: readonly string[] | undefined,
  check: ((answer: string) => void) | undefined,
): string | undefined {
  if (answer === '') return 'An answer is needed.';
  if (choices && !choices.includes(answer)) return `The answer is one of ${choices.join(', ')}.`;
  try {
    check?.(answer);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}
