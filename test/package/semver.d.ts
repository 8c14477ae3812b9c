declare module 'semver' {
  /** Whether the version is within the range. */
  export function satisfies(version: string, range: string): boolean;
}
