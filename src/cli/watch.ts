import type { Command } from 'commander';
import type { AdminClient } from '../admin-client/index.ts';
import { describeError } from '../platform/index.ts';
import { type AgentOptions, agentFor } from './agent-options.ts';
import { type ExitCode, exitCodes } from './exit-codes.ts';
import type { Frame } from './screen.ts';
import type { Terminal } from './terminal.ts';
import type { View } from './view.ts';

export interface WatchOptions {
  readonly watch?: boolean;
}

/** Adds `--watch`. */
export function withWatch(command: Command): Command {
  return command.option('-w, --watch', 'stay, and show it again after each change, until interrupted');
}

/** What is shown, and the exit code that its newest state means. */
export interface Watched<Document> {
  readonly ask: (agent: AdminClient) => Promise<Document>;
  readonly text: (document: Document, view: View) => string;
  /** Left out: `done`. */
  readonly exitCode?: (document: Document) => ExitCode;
}

const LOOK_EVERY_MS = 1000;
/** An agent that answers needs milliseconds. One that hangs must not hold the screen. */
const PATIENCE_MS = 10_000;

/**
 * Shows an answer of the agent once, or with `--watch` again after each change. The exit code is 130
 * where the reader ended a watch.
 */
export async function showOrWatch<Document>(
  terminal: Terminal,
  options: AgentOptions & WatchOptions,
  watched: Watched<Document>,
): Promise<void> {
  if (options.watch === true) return await watch(terminal, options, watched);
  const document = await watched.ask(agentFor(options));
  terminal.result(document, (view) => watched.text(document, view));
  terminal.exitCode = watched.exitCode?.(document) ?? exitCodes.done;
}

/**
 * Asks each second until the reader ends it. An agent that stops answering after the first answer
 * is waited for. Rejects where the first answer fails.
 */
async function watch<Document>(
  terminal: Terminal,
  options: AgentOptions,
  watched: Watched<Document>,
): Promise<void> {
  const end = new AbortController();
  const stopListening = terminal.onInterrupt(() => end.abort());
  const agent = agentFor(options, { timeoutMs: PATIENCE_MS, signal: end.signal });
  let shown: Shown<Document> | undefined;
  try {
    for (;;) {
      const answer = await askOr(end.signal, () => watched.ask(agent));
      if ('error' in answer) {
        if (!shown) throw answer.error;
        shown.silent(describeError(answer.error).message);
      } else {
        shown ??= openShown(terminal, watched);
        shown.answer(answer.document);
      }
      await terminal.clock.sleep(LOOK_EVERY_MS, end.signal);
    }
  } catch (error) {
    if (!end.signal.aborted) throw error;
    terminal.exitCode = exitCodes.interrupted;
  } finally {
    stopListening();
    shown?.close();
  }
}

/** The answer, or why there is none. Rejects where the reader has ended the watch. */
async function askOr<Document>(
  end: AbortSignal,
  ask: () => Promise<Document>,
): Promise<{ readonly document: Document } | { readonly error: unknown }> {
  try {
    const document = await ask();
    end.throwIfAborted();
    return { document };
  } catch (error) {
    end.throwIfAborted();
    return { error };
  }
}

/** Where the answers of a watch go. */
interface Shown<Document> {
  answer(document: Document): void;
  /** The agent does not answer, because of this. */
  silent(why: string): void;
  close(): void;
}

function openShown<Document>(terminal: Terminal, watched: Watched<Document>): Shown<Document> {
  const frame = terminal.format === 'text' ? terminal.openFrame() : undefined;
  return frame ? drawn(terminal, frame, watched) : listed(terminal, watched);
}

/** Draws the newest answer each second, because its ages grow. The last one stays in the end. */
function drawn<Document>(terminal: Terminal, frame: Frame, { text }: Watched<Document>): Shown<Document> {
  let last: { readonly document: Document } | undefined;
  let silence: { readonly since: Date; readonly why: string } | undefined;
  const content = () => (last ? text(last.document, terminal.view) : '');
  const draw = () => {
    const { view } = terminal;
    const head = silence
      ? view.paint(
          'yellow',
          `The agent has not answered since ${view.at(silence.since)}, so this may be old: ${silence.why}`,
        )
      : view.paint('dim', `${view.at(terminal.clock.now())}, again each second; Ctrl+C ends it`);
    frame.draw(`${head}\n\n${content()}`);
  };
  return {
    answer: (document) => {
      last = { document };
      silence = undefined;
      draw();
    },
    silent: (why) => {
      silence ??= { since: terminal.clock.now(), why };
      draw();
    },
    close: () => {
      frame.close();
      if (silence) terminal.err(`The agent has not answered since ${terminal.view.at(silence.since)}.`);
      terminal.out(content());
    },
  };
}

/** Prints each change: a block of text under its time, a line of JSON, or a document of YAML. */
function listed<Document>(terminal: Terminal, { text }: Watched<Document>): Shown<Document> {
  let last = '';
  let isSilent = false;
  return {
    answer: (document) => {
      if (isSilent) terminal.err('The agent answers again.');
      isSilent = false;
      const now = JSON.stringify(document);
      if (now === last) return;
      const space = last === '' ? '' : '\n';
      terminal.item(document, (view) => `${space}${view.at(terminal.clock.now())}\n${text(document, view)}`);
      last = now;
    },
    silent: (why) => {
      if (!isSilent) terminal.err(`Waiting for the agent: ${why}`);
      isSilent = true;
    },
    close: () => undefined,
  };
}
