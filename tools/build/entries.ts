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

/**
 * Packages in CommonJS that load when something first uses them, because they are large and many processes need none of them. Each file
 * `<name>.cjs` has the packages behind it, and each of them is made by this text, which runs in the root of the checkout.
 */
export const loadedLate: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  pino: { pino: `require('pino')` },
  'prom-client': { 'prom-client': `require('prom-client')` },
  // Together, because @grpc/grpc-js uses protobufjs too.
  grpc: { '@grpc/grpc-js': `require('@grpc/grpc-js')`, protobufjs: `require('protobufjs')` },
  // Its index also makes caches, mocks, WebSockets and fetch, in twice the time. We use `Client` with `request`.
  undici: {
    undici: `{
      Client: class Client extends require('./node_modules/undici/lib/dispatcher/client.js') {
        request(...options) {
          return require('./node_modules/undici/lib/api/api-request.js').apply(this, options);
        }
      },
    }`,
  },
};
