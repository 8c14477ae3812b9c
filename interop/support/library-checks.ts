import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { get } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import * as grpc from '@grpc/grpc-js';
import { Agent, request } from 'undici';
import { healthService, type HealthCheckRequest, type HealthCheckResponse } from '../../src/grpc/index.ts';
import { fetchBundle, type SpiffeBundleEndpoint, watchBundle } from '../../src/library/federation.ts';
import {
  authorizeId,
  authorizeMemberOf,
  BundleSet,
  createChannelCredentials,
  createConnector,
  createGrpcListener,
  createHttpsAgent,
  createHttpsServer,
  type MtlsOptions,
  parseSpiffeId,
  parseTrustDomain,
  peerOf,
  peerOfCall,
  serializeBundle,
  svidFromPem,
} from '../../src/library/spiffe.ts';
import { BundleSource, X509Source } from '../../src/library/workload-api.ts';
import { presentCa, presentTimes } from '../../testkit/agent-process.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { Child } from './child.ts';
import type { InteropCheck } from './program.ts';
import { startWorkloadAgent } from './workload-agent.ts';

/** The ID of both sides: the agent gives its own SVID to everyone at its socket. */
const ID = 'spiffe://a.example/federate';
const OTHER = 'spiffe://a.example/other';

/** Our library for Node.js programs with go-spiffe on the other side. Both get SVID and bundles from the Workload API of our agent. */
export const libraryChecks: readonly InteropCheck[] = [
  { name: 'our library’s HTTPS server answers its client; each refuses another ID', run: ourServer },
  {
    name: 'our library’s HTTPS clients, `https` and undici, call its server; each side refuses another ID',
    run: ourClients,
  },
  { name: 'our library’s gRPC server and client with its gRPC credentials', run: overGrpc },
  {
    name: 'our library’s server and client with its own files, across trust domains; a forgery is refused',
    run: acrossDomains,
  },
  { name: 'our library fetches and watches its bundle handler, through a rotation', run: watchTheirs },
  { name: 'our library’s BundleSource follows the socket where its X509Source works', run: sources },
];

async function portOf(server: Server): Promise<number> {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return (server.address() as AddressInfo).port;
}

/** Our side at that socket, admitting one ID. */
async function trustAt(socket: string, admitted: string): Promise<MtlsOptions & AsyncDisposable> {
  const source = await X509Source.create({ address: `unix://${socket}` });
  const options = { svid: source, bundles: source, authorize: authorizeId(parseSpiffeId(admitted)) };
  return { ...options, [Symbol.asyncDispose]: () => source.close() };
}

/** An HTTPS server of ours that greets its clients by ID. */
async function greeter(options: MtlsOptions) {
  const server = createHttpsServer(options, (incoming, response) =>
    response.end(`hello ${peerOf(incoming.socket).id}`),
  );
  const port = await portOf(server);
  return {
    url: `https://127.0.0.1:${port}/`,
    [Symbol.dispose]: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** What https and undici get from a URL. */
async function callBoth(url: string, options: MtlsOptions): Promise<readonly string[]> {
  const agent = createHttpsAgent(options);
  const dispatcher = new Agent({ connect: createConnector(options) });
  try {
    const overHttps = await new Promise<string>((resolve, reject) => {
      get(url, { agent }, (response) => {
        response.once('data', (body: Buffer) => resolve(body.toString()));
      }).once('error', reject);
    });
    return [overHttps, await (await request(url, { dispatcher })).body.text()];
  } finally {
    agent.destroy();
    await dispatcher.destroy();
  }
}

async function ourServer(executable: string): Promise<void> {
  await using agent = await startWorkloadAgent({ givesSvid: true });
  const call = (url: string, id: string) => new Child(executable, ['source-call', agent.socket, url, id]);
  await using trust = await trustAt(agent.socket, ID);
  using server = await greeter(trust);
  await using client = call(server.url, ID);
  await client.until('an answer', () => client.lines.some(({ body }) => body === `hello ${ID}`));
  await using wary = call(server.url, OTHER);
  await wary.until('a refusal', () => wary.lines.some(({ error }) => /unexpected ID/.test(String(error))));
  await using strict = await trustAt(agent.socket, OTHER);
  using refusing = await greeter(strict);
  await using refused = call(refusing.url, ID);
  await refused.until('our refusal', () => refused.lines.length > 1);
  assert(refused.lines.every(({ body }) => body === undefined));
}

async function ourClients(executable: string): Promise<void> {
  await using agent = await startWorkloadAgent({ givesSvid: true });
  const serve = async (id: string) => {
    const server = new Child(executable, ['source-serve', agent.socket, id]);
    await server.until('its port', () => server.lines.length > 0);
    return { server, url: `https://127.0.0.1:${String(server.lines[0]?.['port'])}/` };
  };
  const { server, url } = await serve(ID);
  await using _server = server;
  await using trust = await trustAt(agent.socket, ID);
  assert.deepEqual(await callBoth(url, trust), [`hello ${ID}`, `hello ${ID}`]);
  await using wary = await trustAt(agent.socket, OTHER);
  await assert.rejects(callBoth(url, wary), { code: 'peer-not-authorized' });
  const strict = await serve(OTHER);
  await using _strict = strict.server;
  await assert.rejects(callBoth(strict.url, trust), /alert|hang up|ECONNRESET|closed/i);
}

async function overGrpc(executable: string): Promise<void> {
  await using agent = await startWorkloadAgent({ givesSvid: true });
  await using trust = await trustAt(agent.socket, ID);
  await using theirs = new Child(executable, ['grpc-serve', agent.socket, ID]);
  await theirs.until('its port', () => theirs.lines.length > 0);
  const target = `127.0.0.1:${String(theirs.lines[0]?.['port'])}`;
  assert.equal((await checkHealth(target, trust, ID)).status, 'SERVING');
  await assert.rejects(checkHealth(target, trust, OTHER), new RegExp(`the client is ${ID}`));
  await using wary = await trustAt(agent.socket, OTHER);
  await assert.rejects(checkHealth(target, wary, ID), /admitted is spiffe:\/\/a\.example\/other/);

  const server = new grpc.Server();
  server.addService(
    { Check: healthService.Check },
    {
      Check: (
        call: grpc.ServerUnaryCall<HealthCheckRequest, HealthCheckResponse>,
        reply: grpc.sendUnaryData<HealthCheckResponse>,
      ) => {
        reply(null, { status: peerOfCall(call).id === call.request.service ? 'SERVING' : 'NOT_SERVING' });
      },
    },
  );
  const listener = createGrpcListener(grpc, server, trust);
  try {
    const ours = `127.0.0.1:${await portOf(listener)}`;
    const ask = async (id: string) => {
      const child = new Child(executable, ['grpc-call', agent.socket, ours, id, ID]);
      await child.ended();
      return child.lines[0];
    };
    assert.deepEqual(await ask(ID), { status: 'SERVING' });
    assert.match(String((await ask(OTHER))?.['error']), /unexpected ID/);
  } finally {
    server.forceShutdown();
    listener.close();
  }
}

function checkHealth(target: string, options: MtlsOptions, service: string): Promise<HealthCheckResponse> {
  const client = new grpc.Client(target, createChannelCredentials(grpc, options));
  const { path, requestSerialize, responseDeserialize } = healthService.Check;
  return new Promise<HealthCheckResponse>((resolve, reject) => {
    client.makeUnaryRequest(path, requestSerialize, responseDeserialize, { service }, (error, answer) => {
      if (answer) resolve(answer);
      else reject(error ?? new Error('no answer'));
    });
  }).finally(() => client.close());
}

async function acrossDomains(executable: string): Promise<void> {
  using folder = tempDir();
  const put = (name: string, content: string | Uint8Array) => {
    writeFileSync(folder.file(name), content);
    return folder.file(name);
  };
  const [caA, caB] = await Promise.all([presentCa('a.example', 'CN=A'), presentCa('b.example', 'CN=B')]);
  const [ours, theirs, forged] = await Promise.all([
    (await caA.issueIntermediate(presentTimes())).issueLeaf({ path: '/ours', ...presentTimes() }),
    (await caB.issueIntermediate(presentTimes())).issueLeaf({ path: '/theirs', ...presentTimes() }),
    // Of A by its name, and of B by its signature.
    caB.issueLeaf({ uriSans: ['spiffe://a.example/ours'], ...presentTimes() }),
  ]);
  const bundleA = put('a.json', serializeBundle(caA.bundle()));
  const trust = {
    svid: svidFromPem(ours.certPem, ours.keyPem),
    bundles: new BundleSet([caA.bundle(), caB.bundle()]),
    authorize: authorizeMemberOf(parseTrustDomain('b.example')),
  };
  await using server = new Child(executable, [
    'serve',
    put('b.pem', theirs.certPem),
    put('b.key', theirs.keyPem),
    'a.example',
    bundleA,
    'b.example',
    put('b.json', serializeBundle(caB.bundle())),
  ]);
  await server.until('its port', () => server.lines.length > 0);
  const url = `https://127.0.0.1:${String(server.lines[0]?.['port'])}/`;
  assert.deepEqual(await callBoth(url, trust), Array(2).fill('hello spiffe://a.example/ours'));
  await assert.rejects(
    callBoth(url, { ...trust, svid: svidFromPem(forged.certPem, forged.keyPem) }),
    /alert|hang up|ECONNRESET|closed/i,
  );

  using greeting = await greeter(trust);
  const call = async (chain: string, key: string) => {
    const files = [put('c.pem', chain), put('c.key', key), 'a.example', bundleA];
    const child = new Child(executable, ['call', greeting.url, 'spiffe://a.example/ours', ...files]);
    await child.ended();
    return child.lines[0];
  };
  assert.deepEqual(await call(theirs.certPem, theirs.keyPem), {
    status: 200,
    body: 'hello spiffe://b.example/theirs',
  });
  const borrowed = await caA.issueLeaf({ uriSans: ['spiffe://b.example/theirs'], ...presentTimes() });
  assert.equal((await call(borrowed.certPem, borrowed.keyPem))?.['body'], undefined);
}

async function watchTheirs(executable: string): Promise<void> {
  using folder = tempDir();
  const [ca, next] = await Promise.all([presentCa('b.example', 'CN=B'), presentCa('b.example', 'CN=B next')]);
  const leaf = await ca.issueLeaf({ path: '/endpoint', ...presentTimes() });
  const [bundleFile, chain, key] = ['b.json', 'b.pem', 'b.key'].map((name) => folder.file(name)) as [
    string,
    string,
    string,
  ];
  const first = { ...ca.bundle(1n), refreshHintSeconds: 1 };
  writeFileSync(bundleFile, serializeBundle(first));
  writeFileSync(chain, leaf.certPem);
  writeFileSync(key, leaf.keyPem);
  await using server = new Child(executable, ['serve-bundle', 'b.example', bundleFile, chain, key]);
  await server.until('its port', () => server.lines.length > 0);
  const endpoint: SpiffeBundleEndpoint = {
    trustDomain: ca.trustDomain,
    url: `https://127.0.0.1:${String(server.lines[0]?.['port'])}/`,
    profile: 'https_spiffe',
    endpointId: leaf.id,
    bundles: new BundleSet([first]),
  };
  assert.equal((await fetchBundle(endpoint)).bundle.sequence, 1n);
  await assert.rejects(fetchBundle({ ...endpoint, endpointId: parseSpiffeId('spiffe://b.example/x') }), {
    code: 'endpoint-id-mismatch',
  });
  const watching = watchBundle(endpoint, { schedule: { floorMs: 100 }, signal: AbortSignal.timeout(60_000) });
  assert.equal((await watching.next()).value?.sequence, 1n);
  writeFileSync(
    bundleFile,
    serializeBundle({ ...first, sequence: 2n, x509Authorities: [ca.authority, next.authority] }),
  );
  assert.equal((await watching.next()).value?.x509Authorities.length, 2);
  await watching.return();
}

async function sources(executable: string): Promise<void> {
  await using agent = await startWorkloadAgent({ givesSvid: true });
  const child = new Child(executable, ['workload', 'source', agent.socket]);
  await child.ended();
  await using source = await BundleSource.create({ address: `unix://${agent.socket}` });
  await using own = await X509Source.create({ address: `unix://${agent.socket}` });
  assert.equal(own.current()?.id, child.lines[0]?.['id']);
  const shown = () =>
    source
      .list()
      .map(({ trustDomain, x509Authorities, jwtAuthorities }) => [
        trustDomain,
        x509Authorities.length,
        jwtAuthorities.length,
      ]);
  assert.deepEqual(shown(), [
    ['a.example', 1, 0],
    ['b.example', 1, 1],
  ]);
  const updated = once(source, 'update');
  await agent.home.ask('remove', 'b.example');
  await updated;
  while (shown().length > 1) await once(source, 'update');
  assert.deepEqual(shown(), [['a.example', 1, 0]]);
}
