/** One DER element of the given tag around the parts, in order. */
export function derElement(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return Buffer.concat([Uint8Array.from([tag, ...derLength(length)]), ...parts]);
}

function derLength(length: number): number[] {
  if (length < 0x80) return [length];
  const bytes: number[] = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
  return [0x80 | bytes.length, ...bytes];
}

/** An OBJECT IDENTIFIER from its dotted form. Throws `TypeError` for invalid text. */
export function derObjectIdentifier(dotted: string): Uint8Array {
  const [first, second, ...rest] = dotted.split('.').map(Number);
  if (
    first === undefined ||
    second === undefined ||
    [first, second, ...rest].some((arc) => !Number.isSafeInteger(arc) || arc < 0)
  ) {
    throw new TypeError(`${dotted} is not an object identifier`);
  }
  const bytes: number[] = [];
  for (const arc of [first * 40 + second, ...rest]) {
    const digits = [arc % 128];
    for (let high = Math.floor(arc / 128); high > 0; high = Math.floor(high / 128))
      digits.unshift((high % 128) | 0x80);
    bytes.push(...digits);
  }
  return derElement(0x06, Uint8Array.from(bytes));
}

/** An INTEGER that is not negative. */
export function derInteger(value: number | bigint, tag = 0x02): Uint8Array {
  let hex = value.toString(16);
  if (hex.length % 2 === 1) hex = `0${hex}`;
  if (Number.parseInt(hex.slice(0, 2), 16) >= 0x80) hex = `00${hex}`;
  return derElement(tag, Buffer.from(hex, 'hex'));
}
