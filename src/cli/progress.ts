import { formatDurationMs, pause } from '../platform/index.ts';
import type { Terminal } from './terminal.ts';

/** Work that is over sooner needs no progress. */
const FIRST_MS = 1000;
/** How often the line of a terminal is written again. */
const LINE_EVERY_MS = 500;
/** How often a file or a pipe gets a line. */
const PLAIN_EVERY_MS = 5000;

/**
 * Runs work, and reports its progress on standard error once it takes longer than a second. On a
 * terminal this is one line, which is written again and removed in the end. Elsewhere it is one
 * line every five seconds. `report` takes how far the work is. Silent with `--quiet`.
 */
export async function withProgress<Result>(
  terminal: Terminal,
  what: string,
  work: (report: (howFar: string) => void) => Promise<Result>,
): Promise<Result> {
  const end = new AbortController();
  let howFar = '';
  const shown = show(terminal, () => (howFar === '' ? what : `${what}: ${howFar}`), end.signal);
  try {
    return await work((now) => {
      howFar = now;
    });
  } finally {
    end.abort();
    await shown;
  }
}

async function show(terminal: Terminal, text: () => string, end: AbortSignal): Promise<void> {
  if (terminal.isQuiet) return;
  const { clock, statusLine: line } = terminal;
  const start = clock.monotonicMs();
  let waitMs = line ? FIRST_MS : PLAIN_EVERY_MS;
  while (await pause(clock, waitMs, end)) {
    const seconds = Math.round((clock.monotonicMs() - start) / 1000);
    const shown = `${text()} (${formatDurationMs(seconds * 1000)}) …`;
    if (line) line.show(shown);
    else terminal.note(shown);
    waitMs = line ? LINE_EVERY_MS : PLAIN_EVERY_MS;
  }
  line?.clear();
}
