import * as grpc from '@grpc/grpc-js';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  type Authorize,
  authorizeAny,
  authorizeId,
  createChannelCredentials,
  createGrpcListener,
  createTlsServer,
  type MtlsServerOptions,
  parseSpiffeId,
  peerOfCall,
  type RefusedConnection,
  type Svid,
} from '../../src/library/spiffe.ts';
import { createTestCa, type TestCa } from '../../testkit/test-ca.ts';
import { Opened } from '../mtls/support.ts';
import { portOf, svidOf, trustOf } from './support.ts';

const bytes = (text: Buffer) => text;
const greet = {
  path: '/test.Greeter/Greet',
  requestStream: false,
  responseStream: false,
  requestSerialize: bytes,
  requestDeserialize: bytes,
  responseSerialize: bytes,
  responseDeserialize: bytes,
} as const;

let a: TestCa;
let b: TestCa;
let client: Svid;
let server: Svid;
let forged: Svid;
beforeAll(async () => {
  a = await createTestCa({ trustDomain: 'a.example' });
  b = await createTestCa({ trustDomain: 'b.example' });
  client = svidOf(await (await a.issueIntermediate()).issueLeaf({ path: '/client' }));
  server = svidOf(await b.issueLeaf({ path: '/server' }));
  forged = svidOf(await b.issueLeaf({ uriSans: ['spiffe://a.example/client'] }));
});

/** A gRPC server that greets its clients by ID. */
async function greeter(world: Opened, options: Partial<MtlsServerOptions> = {}) {
  const greeted: string[] = [];
  const refused: RefusedConnection[] = [];
  const service = new grpc.Server();
  service.addService(
    { Greet: greet },
    {
      Greet: (call: grpc.ServerUnaryCall<Buffer, Buffer>, reply: grpc.sendUnaryData<Buffer>) => {
        const { id } = peerOfCall(call);
        greeted.push(id);
        reply(null, Buffer.from(`hello ${id}, ${call.request.toString()}`));
      },
    },
  );
  const listener = createGrpcListener(grpc, service, {
    svid: server,
    authorize: authorizeAny(),
    ...trustOf(a.bundle(), b.bundle()),
    onRefused: (refusal) => refused.push(refusal),
    ...options,
  });
  world.add(() => {
    service.forceShutdown();
    listener.close();
  });
  return { port: await portOf(listener), greeted, refused };
}

function call(
  world: Opened,
  port: number,
  svid: Svid | undefined,
  authorize: Authorize,
  compose = false,
): Promise<string> {
  const own = createChannelCredentials(grpc, {
    ...(svid ? { svid } : {}),
    ...trustOf(a.bundle(), b.bundle()),
    authorize,
  });
  const credentials = compose
    ? own.compose(
        grpc.credentials.createFromMetadataGenerator((_context, answer) => {
          answer(null, new grpc.Metadata());
        }),
      )
    : own;
  const connection = new grpc.Client(`127.0.0.1:${port}`, credentials);
  world.add(() => connection.close());
  return new Promise((resolve, reject) => {
    connection.makeUnaryRequest(
      greet.path,
      greet.requestSerialize,
      greet.responseDeserialize,
      Buffer.from('how are you'),
      new grpc.Metadata(),
      (error, answer) => {
        if (answer) resolve(answer.toString());
        else reject(error);
      },
    );
  });
}

const serverId = parseSpiffeId('spiffe://b.example/server');

describe('createChannelCredentials() and createGrpcListener()', () => {
  it.each([
    false,
    true,
  ])('prove each other, and the handler learns its client (with call credentials: %s)', async (compose) => {
    await using world = new Opened();
    const { port, greeted } = await greeter(world, { authorize: authorizeId(client.id) });
    expect(await call(world, port, client, authorizeId(serverId), compose)).toBe(
      'hello spiffe://a.example/client, how are you',
    );
    expect(greeted).toEqual([client.id]);
  });

  it.each([
    [
      'with another ID',
      () => server,
      authorizeId(parseSpiffeId('spiffe://b.example/x')),
      'admitted is spiffe://b.example/x',
    ],
    [
      'signed by the root of another trust domain',
      () => forged,
      authorizeAny(),
      'is not proven by the bundle of a.example',
    ],
  ] as const)('send no call to a server %s (X509-43)', async (_what, svid, authorize, why) => {
    await using world = new Opened();
    const { port, greeted } = await greeter(world, { svid: svid() });
    await expect(call(world, port, client, authorize)).rejects.toMatchObject({
      code: grpc.status.UNAVAILABLE,
      details: expect.stringContaining(why),
    });
    expect(greeted).toEqual([]);
  });

  it.each([
    ['without an SVID', (): Svid | undefined => undefined, 'no-certificate'],
    ['signed by the root of another trust domain', () => forged, 'path-refused'],
  ] as const)('handle no call of a client %s (X509-43)', async (_what, svid, code) => {
    await using world = new Opened();
    const { port, greeted, refused } = await greeter(world);
    await expect(call(world, port, svid(), authorizeAny())).rejects.toMatchObject({
      code: grpc.status.UNAVAILABLE,
    });
    expect([greeted, refused[0]?.code]).toEqual([[], code]);
  });

  it('speak HTTP/2 only where the server does', async () => {
    await using world = new Opened();
    const tls = createTlsServer({
      svid: server,
      authorize: authorizeAny(),
      ...trustOf(a.bundle(), b.bundle()),
      alpnProtocols: ['http/1.1'],
    });
    world.add(() => tls.close());
    await expect(call(world, await portOf(tls), client, authorizeAny())).rejects.toMatchObject({
      code: grpc.status.UNAVAILABLE,
    });
  });
});

describe('peerOfCall()', () => {
  it('refuses a call that did not come over mTLS by SPIFFE ID', () => {
    expect(() => peerOfCall({ getAuthContext: () => ({}) })).toThrow(TypeError);
    expect(() => peerOfCall({ getAuthContext: () => ({ sslPeerCertificate: {} }) })).toThrow(TypeError);
  });
});
