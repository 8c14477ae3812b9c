/**
 * Text that can be shown on a terminal: whatever could steer one or turn the line around (control, format and line-breaking
 * characters) is replaced, and what is longer than `limit` characters is cut. Peers' words end up in the history, and people read it.
 */
export function printable(text: string, limit: number): string {
  const clean = text.replaceAll(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, '\u{FFFD}');
  return clean.length > limit ? `${clean.slice(0, limit - 1)}…` : clean;
}
