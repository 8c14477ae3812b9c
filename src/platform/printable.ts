/**
 * Characters that can steer a terminal, turn a line around, or break it: control, format, lone
 * surrogate and line-breaking characters.
 */
const STEERING = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
/** The same without line feed and tab, which lay out our own text. */
const STEERING_BUT_LAYOUT = /(?![\n\t])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
const REPLACEMENT = '\u{FFFD}';

/**
 * Makes text of one line safe for a terminal. Characters that could steer it or turn the line
 * around (control, format and line-breaking ones) are replaced. Text longer than `limit` characters
 * is cut. Texts of peers end up in the history, and people read it.
 */
export function printable(text: string, limit = Number.POSITIVE_INFINITY): string {
  const clean = text.replaceAll(STEERING, REPLACEMENT);
  return clean.length > limit ? `${clean.slice(0, limit - 1)}…` : clean;
}

/**
 * Makes text of several lines safe for a terminal. Line feeds and tabs stay, because they are ours
 * where every value is `printable`.
 */
export function printableLines(text: string): string {
  return text.replaceAll(STEERING_BUT_LAYOUT, REPLACEMENT);
}

/**
 * JSON with the same meaning that is safe for a terminal: characters that could steer it are
 * written as `\uXXXX`.
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
 * The same data with every text in it `printable`, names of fields included. Texts under the names
 * in `except` stay unchanged.
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
