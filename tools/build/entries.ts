/**
 * What a package can load from outside: each file of `dist/`, without its `.js`, and its source. Everything that two of them need, and
 * everything that a verb loads only when it runs, becomes a file `chunk-….js` of its own.
 */
export const entries: Readonly<Record<string, string>> = {
  cli: 'src/cli/main.ts',
  // The demonstration reads it, and shows that a gateway has no code for TLS.
  gateway: 'src/gateway/index.ts',
};

/** The doors of the library. `exports` of package.json has the same names. */
export const libraryEntries: Readonly<Record<string, string>> = {
  spiffe: 'src/library/spiffe.ts',
  'workload-api': 'src/library/workload-api.ts',
  federation: 'src/library/federation.ts',
};

/**
 * Packages that a package brings as they are, with its `dependencies`. better-sqlite3 has native code, one file for each kind of machine,
 * and npm has to bring it.
 */
export const external: readonly string[] = ['better-sqlite3'];

/** Packages that the sources load by `createRequire` when they first need them. Each becomes a file `<name>.cjs`. */
export const loadedLate: readonly string[] = ['pino', 'prom-client'];
