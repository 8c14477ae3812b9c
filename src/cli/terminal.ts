import {
  type Clock,
  describeError,
  printableData,
  printableJson,
  printableLines,
} from '../platform/index.ts';
import { sentenceOf } from '../errors/index.ts';
import { exitCodeFor, type ExitCode, exitCodes } from './exit-codes.ts';
import { hintFor } from './hints.ts';
import type { Outlet, Screen } from './outlet.ts';
import { type Frame, openFrame, type StatusLine, statusLineOn } from './screen.ts';
import { UsageError } from './usage-error.ts';
import { createView, type DisplayOptions, piecesOf, type View, wantsColours } from './view.ts';

export { UsageError } from './usage-error.ts';

export const OUTPUT_FORMATS = ['text', 'json', 'yaml'] as const;

export type OutputFormat = (typeof OUTPUT_FORMATS)[number];

/**
 * Where a verb speaks: results to standard output, everything about them to standard error. No verb
 * can print control sequences on it. Values of other agents are cleaned before that, where their
 * documents arrive (`agentFor`, `cleanIn`), so that they cannot add lines either.
 */
export interface Terminal {
  out(text: string): void;
  /** Errors, and what the reader must not miss. */
  err(text: string): void;
  /** What the reader may miss: silent with `--quiet`. */
  note(text: string): void;
  /** How text on standard output is laid out. */
  readonly view: View;
  readonly isQuiet: boolean;
  /** Prints a text; through the pager of the reader where a terminal has no room for it. */
  page(text: string): Promise<void>;
  /** What `--output` asks for. */
  readonly format: OutputFormat;
  /** The exit code of the command; `done` unless the verb sets another. */
  exitCode: ExitCode;
  /** Prints one result: `text` for people, or the document itself with `--output`. */
  result(document: unknown, text: (view: View) => string): void;
  /** Prints one of several results: its text, a line of JSON, or a document of a YAML stream. */
  item(document: unknown, text: (view: View) => string): void;
  /** Data from others, cleaned by `cleanIn` for what `--output` asks for. */
  clean<Value>(data: Value): Value;
  /** Takes the whole terminal for a text that is drawn again; undefined for a file or a pipe. */
  openFrame(): Frame | undefined;
  /** The last line of the terminal on standard error; undefined for a file or a pipe. */
  readonly statusLine: StatusLine | undefined;
  readonly clock: Clock;
  /** Calls back when the command is to end; gives what stops that. */
  onInterrupt(end: () => void): () => void;
}

/** What `main` does with the terminal, and no verb. */
interface OwnTerminal extends Terminal {
  /** Takes what the reader asked for. Loads what YAML needs where it is wanted. */
  show(format: OutputFormat, options: DisplayOptions): Promise<void>;
  readonly errView: View;
}

/** A terminal that speaks to `outlet`. */
export function createTerminal(outlet: Outlet, clock: Clock): OwnTerminal {
  const { environment = {} } = outlet;
  let asked: DisplayOptions = {};
  let format: OutputFormat = 'text';
  let yaml: ((document: unknown) => string) | undefined;
  const isColoured = (screen: Screen | undefined) =>
    wantsColours(asked.color, screen !== undefined, environment);
  const viewOf = (screen: Screen | undefined) =>
    createView({
      columns: screen?.columns,
      colours: isColoured(screen),
      offsetMinutes: (at) => (asked.utc === true ? 0 : (outlet.offsetMinutes?.(at) ?? 0)),
    });
  let isLineShown = false;
  const clearLine = () => {
    if (isLineShown && outlet.errScreen) statusLineOn(outlet.errScreen).clear();
    isLineShown = false;
  };
  const err = (text: string) => {
    clearLine();
    outlet.err(guarded(text, isColoured(outlet.errScreen)));
  };
  const out = (text: string) => {
    clearLine();
    outlet.out(guarded(text, isColoured(outlet.screen)));
  };
  return {
    exitCode: exitCodes.done,
    get format() {
      return format;
    },
    result: (document, text) => {
      if (format === 'text') out(text(viewOf(outlet.screen)));
      else out(yaml ? yaml(document).trimEnd() : jsonText(document));
    },
    item: (document, text) => {
      if (format === 'text') out(text(viewOf(outlet.screen)));
      else out(yaml ? `---\n${yaml(document).trimEnd()}` : printableJson(JSON.stringify(document)));
    },
    clean: (data) => cleanIn(format, data),
    out,
    err,
    note: (text) => {
      if (asked.quiet !== true) err(text);
    },
    page: async (text) => {
      const { screen } = outlet;
      const shown = guarded(text, isColoured(screen));
      const isLong = screen !== undefined && text.split('\n').length >= screen.rows;
      if (!isLong || (await outlet.page?.(shown)) !== true) outlet.out(shown);
    },
    get view() {
      return viewOf(outlet.screen);
    },
    get errView() {
      return viewOf(outlet.errScreen);
    },
    get isQuiet() {
      return asked.quiet === true;
    },
    openFrame: () => {
      const { screen } = outlet;
      if (!screen) return undefined;
      const frame = openFrame(screen);
      return { ...frame, draw: (text: string) => frame.draw(guarded(text, isColoured(screen))) };
    },
    get statusLine() {
      const { errScreen: screen } = outlet;
      if (!screen) return undefined;
      return {
        clear: clearLine,
        show: (text: string) => {
          isLineShown = true;
          statusLineOn(screen).show(guarded(text, isColoured(screen)));
        },
      };
    },
    clock,
    onInterrupt: (end) => outlet.onInterrupt?.(end) ?? (() => undefined),
    show: async (wanted, options) => {
      asked = options;
      format = wanted;
      yaml = wanted === 'yaml' ? (await import('./yaml-text.ts')).yamlText : undefined;
    },
  };
}

/** A document as JSON, laid out for people and safe for their terminal. */
function jsonText(document: unknown): string {
  return printableJson(JSON.stringify(document, undefined, 2));
}

/** Text without control sequences but our own colours, and without those where none are wanted. */
function guarded(text: string, colours: boolean): string {
  if (!colours) return printableLines(text);
  return piecesOf(text)
    .map((piece, index) => (index % 2 === 0 ? printableLines(piece) : piece))
    .join('');
}

/**
 * Data from others for text output: every value on one line and without what could steer a
 * terminal. For JSON and YAML it stays as it is.
 */
export function cleanIn<Value>(format: OutputFormat, data: Value): Value {
  return format === 'text' ? printableData(data, DOCUMENTS) : data;
}

/** A bundle document is printed as a whole, as the JSON that it is. */
const DOCUMENTS: ReadonlySet<string> = new Set(['document']);

/**
 * Prints an error as one sentence with its causes, the code, and what to do next; never a stack
 * trace. With `--output json` or `yaml` it prints the same as a document on standard output.
 * Returns the exit code.
 */
export function reportError(terminal: OwnTerminal, error: unknown): ExitCode {
  const { code } = describeError(error);
  const hint = error instanceof UsageError && error.hint !== undefined ? error.hint : hintFor(code);
  const mistakes =
    error instanceof Error && 'mistakes' in error && Array.isArray(error.mistakes) ? error.mistakes : [];
  if (terminal.format === 'text') {
    const view = terminal.errView;
    const shown = code === undefined ? '' : ` ${view.paint('dim', `[${code}]`)}`;
    terminal.err(`${view.paint('red', 'federate:')} ${view.words(sentenceOf(error))}${shown}`);
    for (const { path, line, message } of mistakes) {
      const place = line === undefined || path === `line ${line}` ? '' : `line ${line}: `;
      terminal.err(`  ${place}${path === '' ? '' : `${path}: `}${view.words(message)}`);
    }
    if (hint !== undefined) terminal.err(`  ${view.paint('cyan', '→')} ${hint}`);
  } else {
    const shown = { code: code ?? 'internal', message: sentenceOf(error), hint: hint ?? null, mistakes };
    terminal.result({ error: shown }, () => '');
  }
  return code === undefined ? exitCodes.failed : exitCodeFor(code);
}
