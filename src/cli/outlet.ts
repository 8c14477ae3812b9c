import { showInPager } from './pager.ts';
import { type Environment, systemEnvironment } from '../platform/index.ts';

/** A terminal: how large it is, and a way to write without a line feed. */
export interface Screen {
  readonly columns: number;
  readonly rows: number;
  write(text: string): void;
}

/**
 * Where the command speaks, and what it knows of the reader. A test hands in what it needs; without
 * more, both streams are files, times are in UTC and there is no environment.
 */
export interface Outlet {
  out(text: string): void;
  err(text: string): void;
  /** The terminal on standard output; undefined for a file or a pipe. */
  readonly screen?: Screen | undefined;
  /** The terminal on standard error. */
  readonly errScreen?: Screen | undefined;
  readonly environment?: Environment;
  /** How many minutes the reader's zone is before UTC at an instant. */
  offsetMinutes?(at: Date): number;
  /** Shows a long text in the reader's pager; resolves to whether it did. */
  page?(text: string): Promise<boolean>;
  /** Calls back when the reader or the system ends the command; gives what stops that. */
  onInterrupt?(end: () => void): () => void;
}

export const processOutlet: Outlet = {
  out: (text) => process.stdout.write(`${text}\n`),
  err: (text) => process.stderr.write(`${text}\n`),
  get screen() {
    return screenOf(process.stdout);
  },
  get errScreen() {
    return screenOf(process.stderr);
  },
  environment: systemEnvironment,
  offsetMinutes: (at) => -at.getTimezoneOffset(),
  page: (text) => showInPager(text, systemEnvironment),
  onInterrupt: (end) => {
    for (const name of SIGNALS) process.on(name, end);
    return () => {
      for (const name of SIGNALS) process.off(name, end);
    };
  },
};

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** A terminal that does not tell its size is 80 columns wide and 24 lines high. */
function screenOf(stream: NodeJS.WriteStream): Screen | undefined {
  if (!stream.isTTY) return undefined;
  return {
    get columns() {
      return stream.columns || 80;
    },
    get rows() {
      return stream.rows || 24;
    },
    write: (text) => stream.write(text),
  };
}
