import { describeError } from '../platform/index.ts';
import { CodedError } from '../errors/index.ts';
import { exitCodeFor, type ExitCode, exitCodes } from './exit-codes.ts';
import { hintFor } from './hints.ts';

/** Where a command speaks: results to standard output, everything about them to standard error. */
export interface Terminal {
  out(text: string): void;
  err(text: string): void;
}

export const processTerminal: Terminal = {
  out: (text) => process.stdout.write(`${text}\n`),
  err: (text) => process.stderr.write(`${text}\n`),
};

export type OutputFormat = 'text' | 'json';

/** Prints one result: `text` for people, or the document itself with `--output json`. */
export function printResult(
  terminal: Terminal,
  format: OutputFormat,
  document: unknown,
  text: () => string,
): void {
  terminal.out(format === 'json' ? JSON.stringify(document, undefined, 2) : printable(text()));
}

/** Key IDs, subjects and audiences come from others: what could steer a terminal is not put on one. */
function printable(text: string): string {
  return text.replace(/[^\P{C}\n]/gu, '\ufffd');
}

/** The command was called with words that do not go together; exit code 2. */
export class UsageError extends CodedError<'usage'> {
  constructor(message: string, options?: ErrorOptions) {
    super('usage', message, options);
  }
}

/**
 * Tells an error the way the command promises: one sentence with its causes, the code, and what to do next; never
 * a stack trace. With `--output json` the same as a document on standard output. Returns the exit code.
 */
export function reportError(terminal: Terminal, format: OutputFormat, error: unknown): ExitCode {
  const { code } = describeError(error);
  const hint = hintFor(code);
  const mistakes =
    error instanceof Error && 'mistakes' in error && Array.isArray(error.mistakes) ? error.mistakes : [];
  if (format === 'json') {
    terminal.out(
      JSON.stringify(
        { error: { code: code ?? 'internal', message: sentenceOf(error), hint: hint ?? null, mistakes } },
        undefined,
        2,
      ),
    );
  } else {
    terminal.err(printable(`federate: ${sentenceOf(error)}${code === undefined ? '' : ` [${code}]`}`));
    for (const { path, line, message } of mistakes) {
      const place = line === undefined || path === `line ${line}` ? '' : `line ${line}: `;
      terminal.err(printable(`  ${place}${path === '' ? '' : `${path}: `}${message}`));
    }
    if (hint !== undefined) terminal.err(`  → ${hint}`);
  }
  return code === undefined ? exitCodes.failed : exitCodeFor(code);
}

function sentenceOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const parts = [error.message];
  for (let cause = error.cause; cause instanceof CodedError && parts.length < 6; cause = cause.cause) {
    const { message } = cause;
    if (!parts.some((part) => part.includes(message))) parts.push(message);
  }
  return parts.join(': ');
}
