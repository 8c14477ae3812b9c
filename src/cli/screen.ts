import { piecesOf } from './view.ts';
import type { Screen } from './outlet.ts';

const ALTERNATE_ON = '\u001B[?1049h\u001B[?25l';
const ALTERNATE_OFF = '\u001B[?25h\u001B[?1049l';
const HOME = '\u001B[H';
const CLEAR_LINE = '\u001B[K';
const CLEAR_BELOW = '\u001B[J';

/** A whole screen that is drawn again and again; the shell's screen is back when it is closed. */
export interface Frame {
  draw(text: string): void;
  close(): void;
}

/** Opens a frame. What does not fit is cut, because a longer text would scroll. */
export function openFrame(screen: Screen): Frame {
  screen.write(ALTERNATE_ON);
  return {
    draw: (text) => {
      const { rows, columns } = screen;
      const all = text.split('\n');
      const left = all.length - rows;
      const lines = left <= 0 ? all : [...all.slice(0, rows - 1), `… and ${left + 1} more lines`];
      screen.write(HOME + lines.map((line) => cut(line, columns) + CLEAR_LINE).join('\r\n') + CLEAR_BELOW);
    },
    close: () => screen.write(ALTERNATE_OFF),
  };
}

/** One line that is written over and over again, and is gone in the end. */
export interface StatusLine {
  show(text: string): void;
  clear(): void;
}

export function statusLineOn(screen: Screen): StatusLine {
  return {
    // One column less: a full line would begin the next one.
    show: (text) => screen.write(`\r${cut(text, screen.columns - 1)}${CLEAR_LINE}`),
    clear: () => screen.write(`\r${CLEAR_LINE}`),
  };
}

/** The beginning of a line that has room; its colours stay, so that each ends. */
function cut(line: string, columns: number): string {
  let left = columns;
  const pieces = piecesOf(line);
  const length = pieces.reduce((sum, piece, index) => (index % 2 === 0 ? sum + piece.length : sum), 0);
  if (length <= columns) return line;
  const kept = pieces.map((piece, index) => {
    if (index % 2 === 1) return piece;
    const part = piece.slice(0, Math.max(0, left - 1));
    left -= part.length;
    return part;
  });
  return `${kept.join('')}…`;
}
