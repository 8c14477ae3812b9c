/**
 * The paths that servers read in several ways, as a pattern of RE2 for the whole path. An engine
 * that knows RE2 can test it. Such a path has an empty or a dot segment, an escape, a backslash, a
 * parameter, or a character outside of visible ASCII. Or it does not begin with a slash.
 */
export const AMBIGUOUS_PATH = String.raw`([^/].*|.*(//|/\.{1,2}(/|$)|[%\\;#?]|[^!-~]).*)`;
const AMBIGUOUS = new RegExp(`^(?:${AMBIGUOUS_PATH})$`, 's');

/**
 * Whether a path, without its query, can be read in one way only. A condition on paths allows no
 * other path.
 */
export function isCanonicalPath(path: string): boolean {
  return path !== '' && !AMBIGUOUS.test(path);
}
