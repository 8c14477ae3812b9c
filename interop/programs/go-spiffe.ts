import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectMtls, createSpiffeVerifier } from '../../src/mtls/index.ts';
import { systemClock } from '../../src/platform/index.ts';
import { BundleSet, pemFromCertificates, pinOfBundle, serializeBundle } from '../../src/spiffe/index.ts';
import type { RelationshipDocument } from '../../src/admin-client/index.ts';
import { presentCa, presentTimes } from '../../testkit/agent-process.ts';
import { type Agents, startAgents } from '../../testkit/running-agents.ts';
import { Child } from '../support/child.ts';
import { grpcChecks } from '../support/grpc-checks.ts';
import { libraryChecks } from '../support/library-checks.ts';
import { firstLineOf, type InteropProgram } from '../support/program.ts';
import { meshWorkloadChecks } from '../support/mesh-workload-checks.ts';
import { rootChecks } from '../support/root-checks.ts';
import { workloadChecks } from '../support/workload-checks.ts';

const SOURCE = join(import.meta.dirname, '../go-spiffe');

/** go-spiffe, the library most SPIFFE software in Go is made with: a small program with the published module. */
export const goSpiffe: InteropProgram = {
  name: 'go-spiffe',
  variable: 'FEDERATE_GO',
  command: 'go',
  prepare: (go) => {
    const executable = join(mkdtempSync(join(tmpdir(), 'federate-go-spiffe-')), 'go-spiffe');
    // Nothing is downloaded here: the modules are there, or the program is not run.
    const env = { ...process.env, GOPROXY: 'off', GOFLAGS: '-mod=readonly' };
    const { status } = spawnSync(go, ['build', '-o', executable, '.'], {
      cwd: SOURCE,
      env,
      timeout: 600_000,
    });
    return status === 0 ? executable : undefined;
  },
  version: () => firstLineOf('grep', ['go-spiffe/v2', join(SOURCE, 'go.mod')], /go-spiffe\/v2 (v[\d.]+)/),
  install: 'Go 1.26 or later, then `go mod download` in interop/go-spiffe',
  checks: [
    { name: 'FetchBundle over https_web', run: fetchOverWeb },
    { name: 'FetchBundle over https_spiffe; another endpoint ID is refused', run: fetchOverSpiffe },
    { name: 'WatchBundle sees a rotation', run: watchRotation },
    { name: 'its bundle handler is polled, through a rotation', run: pollTheirEndpoint },
    { name: 'its verifier on our SVIDs; a forgery is refused', run: verifyOurs },
    { name: 'mutual TLS with it as the server, and as the client', run: mutualTls },
    ...rootChecks(async (executable, pem) => {
      const { error } = await ask(executable, 'anchors', pem);
      return error === undefined ? undefined : JSON.stringify(error);
    }, 'PrintableString with _'),
    ...workloadChecks,
    ...grpcChecks,
    ...meshWorkloadChecks,
    ...libraryChecks,
  ],
};

/** One verb of the Go program, to its end. */
async function ask(executable: string, ...words: string[]): Promise<Record<string, unknown>> {
  const child = new Child(executable, words);
  await child.ended();
  const [line] = child.lines;
  assert(line, `it said nothing: ${child.err}`);
  return line;
}

async function withAgent<T>(
  profile: 'https_spiffe' | 'https_web',
  work: (agents: Agents, url: string, bundleFile: string) => Promise<T>,
): Promise<T> {
  await using agents = await startAgents([{ trustDomain: 'a.example', profile }]);
  const [ours] = agents.all;
  assert(ours);
  const bundleFile = agents.file('a.json');
  const shown = await ours.home.ask<{ document: string }>('bundle', 'show');
  writeFileSync(bundleFile, shown.answer.document);
  return await work(agents, ours.home.url, bundleFile);
}

async function fetchOverWeb(executable: string): Promise<void> {
  await withAgent('https_web', async (agents, url) => {
    const caFile = agents.file('ca.pem');
    writeFileSync(caFile, pemFromCertificates([agents.webCa.root]));
    const fetched = await ask(executable, 'fetch', 'a.example', url, 'web', caFile);
    assert.deepEqual([fetched['x509'], fetched['hint_seconds']], [1, 1]);
  });
}

async function fetchOverSpiffe(executable: string): Promise<void> {
  await withAgent('https_spiffe', async (_, url, bundleFile) => {
    const asked = (id: string) => ask(executable, 'fetch', 'a.example', url, 'spiffe', id, bundleFile);
    assert.equal((await asked('spiffe://a.example/federate'))['x509'], 1);
    assert.match(String((await asked('spiffe://a.example/other'))['error']), /unexpected ID/);
  });
}

async function watchRotation(executable: string): Promise<void> {
  await withAgent('https_spiffe', async (agents, url, bundleFile) => {
    const [ours] = agents.all;
    assert(ours);
    await using watching = new Child(executable, [
      'watch',
      'a.example',
      url,
      'spiffe',
      'spiffe://a.example/federate',
      bundleFile,
    ]);
    await watching.until('the first bundle', () => watching.lines.some((line) => line['x509'] === 1));
    ours.home.writeRoots(ours.ca, await presentCa('a.example', 'CN=a.example second root'));
    await watching.until('the second root', () => watching.lines.some((line) => line['x509'] === 2));
    assert(watching.lines.every((line) => line['error'] === undefined));
  });
}

async function pollTheirEndpoint(executable: string): Promise<void> {
  await using agents = await startAgents([{ trustDomain: 'a.example', profile: 'https_web' }]);
  const [ours] = agents.all;
  assert(ours);
  const theirs = await presentCa('b.example', 'CN=B');
  const next = await presentCa('b.example', 'CN=B next');
  const { certPem, keyPem } = await theirs.issueLeaf({ path: '/endpoint', ...presentTimes() });
  const [bundleFile, chain, key] = ['b.json', 'b.pem', 'b.key'].map((name) => agents.file(name)) as [
    string,
    string,
    string,
  ];
  const first = { ...theirs.bundle(1n), refreshHintSeconds: 1 };
  writeFileSync(bundleFile, serializeBundle(first));
  writeFileSync(chain, certPem);
  writeFileSync(key, keyPem);
  await using server = new Child(executable, ['serve-bundle', 'b.example', bundleFile, chain, key]);
  await server.until('its port', () => server.lines.length > 0);
  const url = `https://localhost:${String(server.lines[0]?.['port'])}/`;
  const words = ['--peer', url, '--trust-domain', 'b.example', '--profile', 'https_spiffe'];
  const proof = ['--endpoint-id', 'spiffe://b.example/endpoint', '--pin', pinOfBundle(first)];
  assert.equal((await ours.home.ask('add', ...words, ...proof)).code, 0);
  const both = { ...first, sequence: 2n, x509Authorities: [theirs.authority, next.authority] };
  writeFileSync(bundleFile, serializeBundle(both));
  await server.until('the second root at ours', async () => {
    const { answer } = await ours.home.ask<RelationshipDocument>('show', 'b.example');
    return answer.state === 'active' && answer.authorities === 2;
  });
}

async function verifyOurs(executable: string): Promise<void> {
  await withAgent('https_spiffe', async (agents, _url, bundleFile) => {
    const [ours] = agents.all;
    assert(ours);
    const chainFile = agents.file('chain.pem');
    const verdict = async (pem: string) => {
      writeFileSync(chainFile, pem);
      return ask(executable, 'verify', 'a.example', bundleFile, chainFile);
    };
    const genuine = await ours.ca.issueLeaf({ path: '/x', ...presentTimes() });
    assert.equal((await verdict(genuine.certPem))['id'], 'spiffe://a.example/x');
    const forger = await presentCa('a.example', 'CN=a.example root');
    const forged = await forger.issueLeaf({ path: '/x', ...presentTimes() });
    assert.match(String((await verdict(forged.certPem))['error']), /unknown authority|verify/);
  });
}

async function mutualTls(executable: string): Promise<void> {
  await using agents = await startAgents([]);
  const [caA, caB] = await Promise.all([presentCa('a.example', 'CN=A'), presentCa('b.example', 'CN=B')]);
  const [ours, theirs] = await Promise.all([
    caA.issueLeaf({ path: '/client', ...presentTimes() }),
    caB.issueLeaf({ path: '/server', ...presentTimes() }),
  ]);
  const put = (name: string, content: string | Uint8Array) => {
    writeFileSync(agents.file(name), content);
    return agents.file(name);
  };
  const bundleA = put('a.json', serializeBundle(caA.bundle()));
  await using server = new Child(executable, [
    'serve',
    put('b.pem', theirs.certPem),
    put('b.key', theirs.keyPem),
    'a.example',
    bundleA,
  ]);
  await server.until('its port', () => server.lines.length > 0);
  const port = Number(server.lines[0]?.['port']);
  const svid = {
    id: ours.id,
    certificateChain: ours.chain,
    privateKey: ours.key,
    notAfter: new Date(Date.now() + 60_000),
  };
  // Our verifier judges their server, theirs our client.
  const { socket, peer } = await connectMtls({
    host: '127.0.0.1',
    port,
    svid: { current: () => svid, onChange: () => () => {} },
    signal: new AbortController().signal,
    verifier: createSpiffeVerifier({ bundles: new BundleSet([caB.bundle()]), clock: systemClock }),
    authorize: () => {},
    timeoutMs: 5000,
  });
  assert.equal(peer.id, 'spiffe://b.example/server');
  const body = await new Promise<string>((resolve, reject) => {
    const asked = request({ createConnection: () => socket, host: 'localhost', path: '/' }, (response) => {
      response.on('data', (part: Buffer) => resolve(part.toString()));
    });
    asked.on('error', reject).end();
  });
  socket.destroy();
  assert.equal(body, 'hello spiffe://a.example/client');
}
