import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { build } from 'esbuild';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { bundleOf, pemFromCertificates, serializeBundle } from '../../src/spiffe/index.ts';
import { answers, FakePeer } from '../../testkit/fake-peer.ts';
import { FakeWorkloadApi } from '../../testkit/fake-workload-api.ts';
import { FakeWorkloadBundles } from '../../testkit/fake-workload-bundles.ts';
import type { TestCa } from '../../testkit/test-ca.ts';
import { createTokenKey, signToken } from '../../testkit/test-tokens.ts';
import { until } from '../../testkit/until.ts';
import { entry, message } from '../../testkit/x509-messages.ts';
import { bundledPackages } from '../../tools/build/bundled-packages.ts';
import { libraryEntries } from '../../tools/build/entries.ts';
import { presentCa, presentTimes } from '../../testkit/agent-process.ts';
import { PackedProject } from './packed-project.ts';
import { pageExamples } from './page-examples.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const RECORDER = join(ROOT, 'testkit/record-modules.ts');
const DOORS = ['spiffe', 'workload-api', 'federation'] as const;
const EXAMPLES = pageExamples();

let project: PackedProject;
beforeAll(() => {
  project = new PackedProject();
  for (const [name, text] of EXAMPLES) project.write(name, text);
});
afterAll(() => project?.[Symbol.dispose]());

interface Ending {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs Node.js in the project, to its end. */
function node(words: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ending> {
  return new Promise((done) => {
    const options = { cwd: project.folder, env: { ...process.env, ...env } };
    execFile(process.execPath, words, options, (error, out, err) =>
      done({ code: typeof error?.code === 'number' ? error.code : 0, out, err }),
    );
  });
}

describe('the packed library', () => {
  it.each(DOORS)('federate/%s loads nothing but files of the package, and no native module', async (door) => {
    const record = join(project.folder, `modules-${door}`);
    const file = project.write(`load-${door}.mjs`, `await import('federate/${door}');`);
    const { code, err } = await node(['--import', RECORDER, file], { FEDERATE_TEST_MODULES: record });
    expect([code, err]).toEqual([0, '']);
    const loaded = readFileSync(record, 'utf8')
      .split('\n')
      .filter((url) => !/record-modules|load-/.test(url));
    expect(loaded.length).toBeGreaterThan(1);
    expect(loaded.filter((url) => !url.includes('/node_modules/federate/dist/'))).toEqual([]);
  });

  it.each([
    ['spiffe', ['jose']],
    [
      'workload-api',
      [
        '@grpc/grpc-js',
        '@grpc/proto-loader',
        '@js-sdsl/ordered-map',
        '@protobufjs',
        'jose',
        'lodash.camelcase',
        'long',
        'protobufjs',
      ],
    ],
    ['federation', ['jose', 'undici']],
  ] as const)('federate/%s has inside it only %j', async (door, expected) => {
    const { metafile } = await build({
      absWorkingDir: ROOT,
      entryPoints: [libraryEntries[door] ?? ''],
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node24',
      write: false,
      metafile: true,
      outdir: 'unwritten',
      logLevel: 'silent',
      external: ['better-sqlite3'],
    });
    const names = bundledPackages(ROOT, [metafile]).map(({ name }) =>
      name.replace(/^(@protobufjs)\/.*/, '$1'),
    );
    expect([...new Set(names)].filter((name) => !(expected as readonly string[]).includes(name))).toEqual([]);
    const imported = Object.values(metafile.outputs).flatMap(({ imports }) =>
      imports.map(({ path }) => path),
    );
    expect(imported).not.toContain('better-sqlite3');
  });

  it.each(DOORS)('federate/%s changes nothing when it is imported, and opens nothing', async (door) => {
    const file = project.write(
      `effects-${door}.mjs`,
      `const state = () => JSON.stringify([
        Reflect.ownKeys(globalThis).map(String), Reflect.ownKeys(Reflect).map(String), Object.entries(process.env),
        process.eventNames().map((name) => [String(name), process.listenerCount(name)]),
        process.getActiveResourcesInfo().filter((name) => !/^(TTY|Pipe|Immediate|FS)/.test(name)),
      ]);
      const before = state();
      await import('federate/${door}');
      console.log(state() === before ? 'the same' : before + state());`,
    );
    expect(await node([file])).toEqual({ code: 0, out: 'the same\n', err: '' });
  });

  it('gives no way past its doors', async () => {
    const file = project.write('past.mjs', `await import('federate/dist/cli.js');`);
    expect((await node([file])).err).toContain('ERR_PACKAGE_PATH_NOT_EXPORTED');
  });

  it('is left out by a bundler where a program does not use it', async () => {
    const sizeOf = async (code: string) => {
      const path = project.write('shaken.mjs', code);
      const { outputFiles } = await build({
        entryPoints: [path],
        bundle: true,
        platform: 'node',
        format: 'esm',
        minify: true,
        write: false,
        logLevel: 'silent',
      });
      return outputFiles.reduce((sum, { contents }) => sum + contents.length, 0);
    };
    const unused = DOORS.map((door) => `import * as ${door.replace('-', '')} from 'federate/${door}';`);
    expect(await sizeOf(unused.join('\n'))).toBe(0);
    const little = `import { parseSpiffeId } from 'federate/spiffe'; console.log(parseSpiffeId('spiffe://a.example/x'));`;
    const most = `import * as all from 'federate/spiffe'; console.log(all);`;
    expect(await sizeOf(little)).toBeLessThan((await sizeOf(most)) / 10);
  });

  it.each([
    ['nodenext', { module: 'nodenext' }],
    ['bundler', { module: 'esnext', moduleResolution: 'bundler' }],
  ])('has complete types for module resolution %s', (_name, options) => {
    expect(project.compile([...EXAMPLES.keys()], options)).toBe('');
    const wrong = project.write(
      'wrong.ts',
      `import { authorizeId, createHttpsAgent } from 'federate/spiffe';\nauthorizeId('spiffe://a.example/x');\ncreateHttpsAgent({});\n`,
    );
    const reported = project.compile([relative(project.folder, wrong)], options);
    expect(reported).toMatch(/wrong\.ts\(2,13\): error TS2345/);
    expect(reported).toMatch(/wrong\.ts\(3,18\): error TS2739/);
  });
});

describe('the examples of docs/library.md', () => {
  const closing: (() => unknown)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });

  let ca: TestCa;
  beforeAll(async () => {
    ca = await presentCa('a.example', 'CN=A');
  });

  /** The environment of a workload with an ID: its own Workload API gives it the SVID. */
  async function workload(path: string): Promise<NodeJS.ProcessEnv> {
    const socket = join(project.folder, `${path.slice(1)}.sock`);
    const api = new FakeWorkloadApi(
      socket,
      message([entry(await ca.issueLeaf({ path, ...presentTimes() }), ca)]),
    );
    await api.start();
    closing.push(() => api.stop());
    return { SPIFFE_ENDPOINT_SOCKET: `unix://${socket}` };
  }

  /** Starts an example that serves; its port. */
  async function serving(name: string, env: NodeJS.ProcessEnv): Promise<number> {
    const child = spawn(process.execPath, [name], {
      cwd: project.folder,
      env: { ...process.env, ...env, PORT: '0' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    closing.push(async () => {
      const ended = once(child, 'close');
      child.kill();
      await ended;
    });
    let out = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    await until(() => /port: \d+/.test(out), `the port of ${name}`);
    return Number(/port: (\d+)/.exec(out)?.[1]);
  }

  it('are whole programs', () => {
    expect([...EXAMPLES.keys()]).toEqual([
      'server.ts',
      'client.ts',
      'fetch.ts',
      'greeter.ts',
      'grpc-server.ts',
      'grpc-client.ts',
      'jwt.ts',
      'watch.ts',
    ]);
  });

  it('server.ts and client.ts have at most twenty lines, without blank ones', () => {
    const lines = ['server.ts', 'client.ts'].map(
      (name) =>
        EXAMPLES.get(name)
          ?.split('\n')
          .filter((line) => line.trim() !== '').length,
    );
    expect(lines.filter((count) => count === undefined || count > 20)).toEqual([]);
  });

  it('server.ts answers client.ts and fetch.ts, and client.ts refuses another server', async () => {
    const port = await serving('server.ts', await workload('/server'));
    const url = `https://localhost:${port}/`;
    const env = await workload('/client');
    expect(await node(['client.ts', url], env)).toEqual({
      code: 0,
      out: 'hello spiffe://a.example/client\n',
      err: '',
    });
    expect(await node(['fetch.ts', url], env)).toMatchObject({
      code: 0,
      out: '200 hello spiffe://a.example/client\n\n',
    });
    const other = await serving('server.ts', await workload('/other'));
    const refused = await node(['client.ts', `https://localhost:${other}/`], env);
    expect(refused.code).toBe(1);
    expect(refused.err).toContain(
      'the peer is spiffe://a.example/other, admitted is spiffe://a.example/server',
    );
  });

  it('grpc-server.ts answers grpc-client.ts', async () => {
    const port = await serving('grpc-server.ts', await workload('/server'));
    expect(await node(['grpc-client.ts', `localhost:${port}`], await workload('/client'))).toMatchObject({
      code: 0,
      out: 'hello spiffe://a.example/client\n',
    });
  });

  it('jwt.ts fetches a token and proves it', async () => {
    const api = await new FakeWorkloadBundles(join(project.folder, 'jwt.sock')).start();
    closing.push(() => api[Symbol.asyncDispose]());
    const key = createTokenKey('P-256', 'k1');
    const { keyId, jwk } = key.authority;
    api.jwt.say({
      bundles: { 'spiffe://a.example': Buffer.from(JSON.stringify({ keys: [{ ...jwk, kid: keyId }] })) },
    });
    const exp = Math.floor(Date.now() / 1000) + 300;
    const sub = 'spiffe://a.example/client';
    api.jwtSvids = ({ audience }) => ({
      svids: [{ spiffe_id: sub, svid: signToken(key, { claims: { sub, aud: audience, exp } }), hint: '' }],
    });
    expect(await node(['jwt.ts'], { SPIFFE_ENDPOINT_SOCKET: `unix://${api.path}` })).toMatchObject({
      code: 0,
      out: `token of ${sub} until ${new Date(exp * 1000).toISOString()}\nproved ${sub}\n`,
    });
  });

  it('watch.ts sees a rotation', async () => {
    const [b, next] = [await presentCa('b.example', 'CN=B'), await presentCa('b.example', 'CN=B next')];
    const leaf = await b.issueLeaf({ path: '/endpoint', ...presentTimes() });
    const peer = await FakePeer.start({
      certificatePem: pemFromCertificates(leaf.chain),
      keyPem: leaf.keyPem,
    });
    closing.push(() => peer.close());
    const bundle = bundleOf(b.trustDomain, [b.authority, next.authority], { sequence: 2n });
    peer.answer = answers.document(serializeBundle(bundle));
    writeFileSync(join(project.folder, 'b.example.json'), serializeBundle(b.bundle(1n)));
    const child = spawn(process.execPath, ['watch.ts', peer.url()], { cwd: project.folder });
    closing.push(() => child.kill());
    let out = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (out += chunk.toString()));
    await until(() => out.includes('\n'), 'a line');
    expect(out).toBe('sequence 2, 2 roots\n');
  });
});
