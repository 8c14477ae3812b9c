import type { Environment } from '../platform/index.ts';

/** The styles that our text has; each is one pair of SGR sequences. */
const STYLES = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
} as const;

export type Style = keyof typeof STYLES;

// oxlint-disable-next-line no-control-regex -- exactly the sequences that `paint` writes
const SGR = /(\u001B\[(?:1|2|22|31|32|33|36|39)m)/;

/** What the reader asked for. */
export interface DisplayOptions {
  readonly utc?: boolean | undefined;
  readonly quiet?: boolean | undefined;
  readonly color?: ColorChoice | undefined;
}

export const COLOR_CHOICES = ['auto', 'always', 'never'] as const;

export type ColorChoice = (typeof COLOR_CHOICES)[number];

/** How text is laid out for the reader: width, zone of times, colours. */
export interface View {
  /** The width of the terminal; undefined for a file or a pipe, whose lines have no limit. */
  readonly columns: number | undefined;
  /** An instant of a document in the reader's zone, to the second. It can be given to `--at`. */
  readonly at: (instant: string | Date) => string;
  /** The calendar day of an instant in the reader's zone. */
  readonly day: (instant: string | Date) => string;
  /** A sentence of the agent, with its instants in the reader's zone. */
  readonly words: (sentence: string) => string;
  readonly paint: (style: Style, text: string) => string;
}

/** What a view is made from. */
export interface ViewSource {
  readonly columns: number | undefined;
  readonly colours: boolean;
  /** How many minutes the reader's zone is before UTC at an instant. */
  readonly offsetMinutes: (at: Date) => number;
}

/** A view of its source. */
export function createView({ columns, colours, offsetMinutes }: ViewSource): View {
  const at = (instant: string | Date) => isoIn(new Date(instant), offsetMinutes);
  return {
    columns,
    at,
    day: (instant) => at(instant).slice(0, 10),
    words: (sentence) => sentence.replaceAll(AGENT_INSTANT, (text) => at(text)),
    paint: (style, text) => {
      if (!colours || text === '') return text;
      const [on, off] = STYLES[style];
      return `\u001B[${on}m${text}\u001B[${off}m`;
    },
  };
}

/** As the agent writes instants in its sentences. One in quotes is part of a name. */
const AGENT_INSTANT = /(?<!["\w])\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z(?!["\w])/g;

function isoIn(instant: Date, offsetMinutes: (at: Date) => number): string {
  if (Number.isNaN(instant.getTime())) return String(instant);
  const offset = offsetMinutes(instant);
  const local = new Date(instant.getTime() + offset * 60_000).toISOString().slice(0, -'.000Z'.length);
  if (offset === 0) return `${local}Z`;
  const minutes = Math.abs(offset);
  const two = (count: number) => count.toString().padStart(2, '0');
  return `${local}${offset < 0 ? '-' : '+'}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
}

/** Text in pieces: every second one is a colour of `paint`. */
export function piecesOf(text: string): string[] {
  return text.split(SGR);
}

/** How many columns the text takes: colours take none. */
export function widthOf(text: string): number {
  return text.includes('\u001B')
    ? piecesOf(text).reduce((sum, piece, index) => (index % 2 === 0 ? sum + piece.length : sum), 0)
    : text.length;
}

/** The text, followed by spaces up to a width. */
export function padded(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - widthOf(text)));
}

/**
 * Whether text is coloured. `--color` decides, then `FORCE_COLOR`, then `NO_COLOR`, as Node.js has
 * them; else whether a terminal that knows colours reads it.
 */
export function wantsColours(
  choice: ColorChoice | undefined,
  isTerminal: boolean,
  { FORCE_COLOR: force, NO_COLOR: no, TERM: kind }: Environment,
): boolean {
  if (choice === 'always' || choice === 'never') return choice === 'always';
  if (force !== undefined) return force !== '0' && force !== 'false';
  if (no !== undefined && no !== '') return false;
  return isTerminal && kind !== 'dumb';
}
