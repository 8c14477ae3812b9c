import { describeError, printableData, printableJson, printableLines } from '../platform/index.ts';
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

/** A document as JSON, laid out for people and safe for their terminal. */
export function jsonText(document: unknown): string {
  return printableJson(JSON.stringify(document, undefined, 2));
}

/** Prints one result: `text` for people, or the document itself with `--output json`. */
export function printResult(
  terminal: Terminal,
  format: OutputFormat,
  document: unknown,
  text: () => string,
): void {
  terminal.out(format === 'json' ? jsonText(document) : text());
}

/**
 * Wraps a terminal so that no verb can print control sequences on it. Values of other agents are
 * cleaned before that, where their documents arrive (`agentFor`, `cleanIn`), so that they cannot
 * add lines either.
 */
export function guarded(terminal: Terminal): Terminal {
  return {
    out: (text) => terminal.out(printableLines(text)),
    err: (text) => terminal.err(printableLines(text)),
  };
}

/**
 * Data from others for text output: every value on one line and without what could steer a
 * terminal. For JSON it stays as it is.
 */
export function cleanIn<Value>(format: OutputFormat, data: Value): Value {
  return format === 'json' ? data : printableData(data, DOCUMENTS);
}

/** A bundle document is printed as a whole, as the JSON that it is. */
const DOCUMENTS: ReadonlySet<string> = new Set(['document']);

/** The command was called with words that do not go together; exit code 2. */
export class UsageError extends CodedError<'usage'> {
  constructor(message: string, options?: ErrorOptions) {
    super('usage', message, options);
  }
}

/**
 * Prints an error as one sentence with its causes, the code, and what to do next; never a stack
 * trace. With `--output json` it prints the same as a document on standard output. Returns the exit
 * code.
 */
export function reportError(terminal: Terminal, format: OutputFormat, error: unknown): ExitCode {
  const { code } = describeError(error);
  const hint = hintFor(code);
  const mistakes =
    error instanceof Error && 'mistakes' in error && Array.isArray(error.mistakes) ? error.mistakes : [];
  if (format === 'json') {
    terminal.out(
      jsonText({
        error: { code: code ?? 'internal', message: sentenceOf(error), hint: hint ?? null, mistakes },
      }),
    );
  } else {
    terminal.err(`federate: ${sentenceOf(error)}${code === undefined ? '' : ` [${code}]`}`);
    for (const { path, line, message } of mistakes) {
      const place = line === undefined || path === `line ${line}` ? '' : `line ${line}: `;
      terminal.err(`  ${place}${path === '' ? '' : `${path}: `}${message}`);
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
