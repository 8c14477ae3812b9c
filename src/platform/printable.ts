/**
 * What can steer a terminal, turn a line around, or break it: control, format, lone surrogate and
 * line-breaking characters.
 */
const STEERING = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
/** The same without the line feed and the tab, by which our own text is laid out. */
const STEERING_BUT_LAYOUT = /(?![\n\t])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
const REPLACEMENT = '\u{FFFD}';

/**
 * Text of one line that can be shown on a terminal: whatever could steer one or turn the line
 * around (control, format and line-breaking characters) is replaced, and what is longer than
 * `limit` characters is cut. Peers' words end up in the history, and people read it.
 */
export function printable(text: string, limit = Number.POSITIVE_INFINITY): string {
  const clean = text.replaceAll(STEERING, REPLACEMENT);
  return clean.length > limit ? `${clean.slice(0, limit - 1)}…` : clean;
}

/**
 * Text of several lines for a terminal: line feeds and tabs stay, because they are ours where every
 * value in it is `printable`.
 */
export function printableLines(text: string): string {
  return text.replaceAll(STEERING_BUT_LAYOUT, REPLACEMENT);
}

/**
 * JSON with the same meaning that can be shown on a terminal: what could steer one is written as
 * `\uXXXX`.
 */
export function printableJson(json: string): string {
  return json.replaceAll(STEERING_BUT_LAYOUT, (character) =>
    Array.from({ length: character.length }, (_, index) => {
      const unit = character.charCodeAt(index);
      return `\\u${unit.toString(16).padStart(4, '0')}`;
    }).join(''),
  );
}

/**
 * The same data with every text in it `printable`, names of fields included; texts under the names
 * in `except` stay as they are.
 */
export function printableData<Value>(data: Value, except: ReadonlySet<string> = new Set()): Value {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the shape stays, only characters of texts change
  return cleaned(data, except) as Value;
}

function cleaned(data: unknown, except: ReadonlySet<string>): unknown {
  if (typeof data === 'string') return printable(data);
  if (Array.isArray(data)) return data.map((each) => cleaned(each, except));
  if (typeof data !== 'object' || data === null || Object.getPrototypeOf(data) !== Object.prototype)
    return data;
  return Object.fromEntries(
    Object.entries(data).map(([name, value]) => [
      printable(name),
      except.has(name) ? value : cleaned(value, except),
    ]),
  );
}
