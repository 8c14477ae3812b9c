import { Buffer } from 'node:buffer';
import { createServer } from 'node:net';
import { status } from '@grpc/grpc-js';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { WorkloadX509Svid } from '../../src/grpc/index.ts';
import { createSpiffeVerifier } from '../../src/mtls/index.ts';
import { pemFromCertificates } from '../../src/spiffe/index.ts';
import {
  createWorkloadSvidSource,
  parseEndpointAddress,
  type SvidChoice,
  WorkloadX509Client,
} from '../../src/workload-api/index.ts';
import { FakeWorkloadApi } from '../../testkit/fake-workload-api.ts';
import { createRecordingLog } from '../../testkit/recording-log.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { createTestCa, TEST_INSTANT, type TestCa } from '../../testkit/test-ca.ts';
import { TestClock } from '../../testkit/test-clock.ts';
import { entry, message } from '../../testkit/x509-messages.ts';

/** A machine may have other things to do. */
const OFTEN = { interval: 2 };

type Leaf = Awaited<ReturnType<TestCa['issueLeaf']>>;

let a: TestCa;
let a2: TestCa;
let b: TestCa;
let first: Leaf;
let second: Leaf;
let ofB: Leaf;
let otherKind: Leaf;
beforeAll(async () => {
  [a, a2, b] = (await Promise.all([
    createTestCa({ trustDomain: 'a.example' }),
    createTestCa({ trustDomain: 'a.example', subject: 'CN=A2' }),
    createTestCa({ trustDomain: 'b.example' }),
  ])) as [TestCa, TestCa, TestCa];
  const below = await a.issueIntermediate();
  first = await below.issueLeaf({ path: '/one' });
  second = await a.issueLeaf({ path: '/two', keyKind: 'RSA-2048' });
  otherKind = await b.issueLeaf({ path: '/one' });
  ofB = await b.issueLeaf({ path: '/peer' });
});

let folder: ReturnType<typeof tempDir>;
let server: FakeWorkloadApi;
let clock: TestClock;
let log: ReturnType<typeof createRecordingLog>;
const closing: (() => Promise<void> | void)[] = [];
beforeEach(async () => {
  folder = tempDir();
  clock = new TestClock(TEST_INSTANT);
  log = createRecordingLog();
  server = await new FakeWorkloadApi(folder.file('api.sock')).start();
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
  await server.stop();
  folder[Symbol.dispose]();
});

function startClient(uri = `unix://${server.path}`): WorkloadX509Client {
  const client = new WorkloadX509Client({
    address: parseEndpointAddress(uri),
    clock,
    // The whole of each wait.
    random: { fraction: () => 1, bytes: (length) => new Uint8Array(length) },
    log,
  });
  client.start();
  closing.push(() => client.stop());
  return client;
}

function startSource(client: WorkloadX509Client, choice: SvidChoice = {}) {
  const source = createWorkloadSvidSource(client, choice, { clock, log });
  closing.push(() => source.stop());
  return source;
}

const until = async (condition: () => boolean): Promise<void> => {
  await expect.poll(condition, OFTEN).toBe(true);
};
const idsOf = ({ svids }: WorkloadX509Client) => svids.map(({ svid }) => svid.id);
const idOf = (source: { current(): { readonly id: string } | undefined }) => source.current()?.id;
const verifies = (client: WorkloadX509Client, leaf: Leaf) => {
  try {
    return (
      createSpiffeVerifier({ bundles: client.bundles, clock }).verify(leaf.chain, 'server').id === leaf.id
    );
  } catch {
    return false;
  }
};

describe('WorkloadX509Client', () => {
  it('sends the header with every call, and takes what it is given: SVIDs, keys, bundles (WLAPI-03, WLAPI-26)', async () => {
    server.say(
      message([entry(first, a), entry(second, a, { hint: 'internal' })], { 'spiffe://b.example': b.root }),
    );
    const client = startClient();
    await until(() => client.svids.length === 2);
    expect(idsOf(client)).toEqual([first.id, second.id]);
    const [default_, other] = client.svids;
    expect(default_?.svid.certificateChain).toEqual(first.chain.map((der) => Uint8Array.from(der)));
    expect(default_?.svid.privateKey.equals(first.key)).toBe(true);
    expect(other?.hint).toBe('internal');
    expect(client.problem).toBeUndefined();
    server.endStreams();
    await until(() => server.seen.length >= 2 || clock.waits().includes(1000));
    await clock.advance(1000);
    await until(() => server.seen.length >= 2);
    expect(server.seen.every((values) => values.length === 1 && values[0] === 'true')).toBe(true);
  });

  it('is asked over TCP as well, where the network tells who calls (WLAPI-07)', async () => {
    const client = startClient('tcp://127.0.0.1:9');
    await until(() => client.problem?.code === 'unavailable');
    expect(client.problem?.message).toContain('ECONNREFUSED');
  });

  it('checks each peer by the bundle of its own trust domain, and drops what a message does not name (WLAPI-15, WLAPI-17)', async () => {
    server.say(message([entry(first, a)], { 'spiffe://b.example': b.root }));
    const client = startClient();
    await until(() => client.svids.length === 1);
    expect([verifies(client, ofB), verifies(client, second)]).toEqual([true, true]);
    // Another root of ours, under B's name: B's peers are not proved by it, and ours not by B's.
    server.say(message([entry(first, a)], { 'spiffe://b.example': a2.root }));
    await until(() => !verifies(client, ofB));
    expect(verifies(client, second)).toBe(true);
    server.say(message([entry(first, a)], { 'b.example': b.root }));
    await until(() => verifies(client, ofB));
    server.say(message([entry(first, a)], { 'spiffe://b.example': new Uint8Array() }));
    await until(() => !verifies(client, ofB));
    server.say(message([entry(first, a)], { 'spiffe://b.example': b.root }));
    await until(() => verifies(client, ofB));
    server.say(message([entry(first, a)]));
    await until(() => !verifies(client, ofB));
    expect(verifies(client, second)).toBe(true);
    // Our own name is told by what stands beside our SVID.
    server.say(message([entry(first, a)], { 'spiffe://a.example': b.root, 'spiffe://b.example': b.root }));
    await until(() => verifies(client, ofB));
    expect(verifies(client, second)).toBe(true);
  });

  it.each<[string, (good: WorkloadX509Svid) => WorkloadX509Svid[]]>([
    ['no SVID', () => []],
    ['an SVID without an ID', (good) => [{ ...good, spiffe_id: '' }]],
    ['an SVID without a certificate', (good) => [{ ...good, x509_svid: Buffer.alloc(0) }]],
    ['an SVID without a key', (good) => [{ ...good, x509_svid_key: Buffer.alloc(0) }]],
    ['an SVID without its bundle', (good) => [{ ...good, bundle: Buffer.alloc(0) }]],
    ['an ID that is none', (good) => [{ ...good, spiffe_id: 'https://a.example/one' }]],
    ['the ID of another', (good) => [{ ...good, spiffe_id: 'spiffe://a.example/three' }]],
    ['the key of another', (good) => [{ ...good, x509_svid_key: entry(first, a).x509_svid_key }]],
    ['a key in PEM', (good) => [{ ...good, x509_svid_key: Buffer.from(second.keyPem) }]],
    [
      'a key in SEC1',
      (good) => [
        { ...good, x509_svid_key: Buffer.from(second.key.export({ type: 'pkcs1', format: 'der' })) },
      ],
    ],
    ['certificates in PEM', (good) => [{ ...good, x509_svid: Buffer.from(second.certPem) }]],
    ['a bundle in PEM', (good) => [{ ...good, bundle: Buffer.from(pemFromCertificates([a.root])) }]],
    ['a certificate that is cut', (good) => [{ ...good, x509_svid: good.x509_svid.subarray(0, -1) }]],
    [
      'bytes after the certificate',
      (good) => [{ ...good, x509_svid: Buffer.concat([good.x509_svid, Buffer.from('x')]) }],
    ],
    ['a CA as an SVID', (good) => [{ ...good, x509_svid: Buffer.from(a.root) }]],
    ['a leaf as an authority', (good) => [{ ...good, bundle: good.x509_svid }]],
    ['a good and a bad one', (good) => [good, { ...good, spiffe_id: '' }]],
  ])('discards a message with %s and keeps what it had (WLAPI-16, WLAPI-20)', async (_what, spoil) => {
    server.say(message([entry(first, a)]));
    const client = startClient();
    await until(() => client.svids.length === 1);
    server.say(message(spoil(entry(second, a)), { 'spiffe://b.example': b.root }));
    await until(() => client.problem !== undefined);
    expect(client.problem).toMatchObject({ code: 'message-malformed' });
    expect(JSON.stringify(log.records)).not.toContain('PRIVATE KEY');
    expect(idsOf(client)).toEqual([first.id]);
    expect(verifies(client, ofB)).toBe(false);
    // The valid twin, on the same stream.
    server.say(message([entry(second, a)], { 'spiffe://b.example': b.root }));
    await until(() => idsOf(client)[0] === second.id);
    expect(client.problem).toBeUndefined();
    expect(server.seen).toHaveLength(1);
  });

  it.each<[string, Record<string, Uint8Array>]>([
    ['that is no certificate', { 'spiffe://b.example': Buffer.from('nothing') }],
    ['under the ID of a workload', { 'spiffe://b.example/x': Buffer.from('nothing') }],
    ['under no name', { '': Buffer.from('nothing') }],
    [
      'under two spellings of one name',
      { 'spiffe://b.example': new Uint8Array(), 'b.example': new Uint8Array() },
    ],
  ])('takes a renewed SVID beside a foreign bundle %s, and leaves all bundles as they were', async (_what, federated) => {
    server.say(message([entry(first, a)], { 'spiffe://b.example': b.root }));
    const client = startClient();
    await until(() => client.svids.length === 1);
    server.say(message([entry(second, a)], federated));
    await until(() => client.problem?.code === 'message-malformed');
    expect(idsOf(client)).toEqual([second.id]);
    expect([verifies(client, ofB), verifies(client, second)]).toEqual([true, true]);
  });

  it('takes the first of two with one hint, and no hint that is too long (WLAPI-26)', async () => {
    const long = 'x'.repeat(1025);
    server.say(
      message([
        entry(first, a, { hint: 'same' }),
        entry(second, a, { hint: 'same' }),
        entry(otherKind, b, { hint: long }),
      ]),
    );
    const client = startClient();
    await until(() => client.svids.length > 0);
    expect(client.svids.map(({ svid, hint }) => [svid.id, hint])).toEqual([
      [first.id, 'same'],
      [otherKind.id, ''],
    ]);
  });

  it.each([
    ['InvalidArgument', status.INVALID_ARGUMENT],
    ['Unimplemented', status.UNIMPLEMENTED],
  ])('tells %s and does not ask again (WLAPI-08)', async (_name, code) => {
    server.refuse(code, 'never');
    const client = startClient();
    await until(() => client.problem?.code === 'refused');
    expect(client.problem?.message).toContain('never');
    expect(clock.waits()).toEqual([]);
    await clock.advance(3_600_000);
    expect(server.seen).toHaveLength(1);
    expect(log.records.filter(({ level }) => level === 'error')).toHaveLength(1);
  });

  it.each([
    ['Unavailable', status.UNAVAILABLE, 'unavailable'],
    ['PermissionDenied', status.PERMISSION_DENIED, 'permission-denied'],
    ['Internal', status.INTERNAL, 'unavailable'],
  ])('asks again after %s, with waits that grow to ten seconds, and says so once (WLAPI-08)', async (_name, code, problem) => {
    server.refuse(code);
    const client = startClient();
    for (let call = 1; call <= 12; call += 1) {
      const waitMs = Math.min(call, 10) * 1000;
      await expect.poll(() => clock.waits(), OFTEN).toEqual([waitMs]);
      expect(server.seen).toHaveLength(call);
      await clock.advance(waitMs);
    }
    expect(client.problem?.code).toBe(problem);
    expect(log.records.filter(({ level }) => level === 'warn')).toHaveLength(1);
    server.say(message([entry(first, a)]));
    await until(() => clock.waits().length > 0);
    await clock.advance(10_000);
    await until(() => client.svids.length === 1);
    expect(client.problem).toBeUndefined();
  });

  it('opens a stream again at once when a long one ended, and not at once when it was short (WLAPI-12)', async () => {
    server.say(message([entry(first, a)]));
    const client = startClient();
    await until(() => client.svids.length === 1);
    await clock.advance(60_000);
    server.say(message([entry(second, a)]));
    await until(() => idsOf(client)[0] === second.id);
    server.endStreams();
    await until(() => server.seen.length === 2);
    // Each stream says one thing and ends: a server that is not well is left a second.
    server.answer = (call) => {
      call.write(message([entry(first, a)]));
      call.end();
    };
    server.endStreams();
    for (let stream = 3; stream < 6; stream += 1) {
      await until(() => clock.waits().includes(1000));
      await clock.advance(1000);
      await until(() => server.seen.length >= stream);
    }
    expect(idsOf(client)).toEqual([first.id]);
  });

  it('keeps the last good state while the socket is gone, and takes up the new one when it is back (WLAPI-12)', async () => {
    server.say(message([entry(first, a)], { 'spiffe://b.example': b.root }));
    const client = startClient();
    await until(() => client.svids.length === 1);
    await clock.advance(60_000);
    await server.stop();
    await until(() => client.problem?.code === 'unavailable');
    expect(idsOf(client)).toEqual([first.id]);
    expect(verifies(client, ofB)).toBe(true);
    server.say(message([entry(second, a)]));
    await server.start();
    await until(() => clock.waits().length > 0);
    await clock.advance(10_000);
    await until(() => idsOf(client)[0] === second.id);
    expect(client.problem).toBeUndefined();
  });

  it('uses nothing any more that was taken back: PermissionDenied (WLAPI-24)', async () => {
    server.say(message([entry(first, a)], { 'spiffe://b.example': b.root }));
    const client = startClient();
    await until(() => client.svids.length === 1);
    expect(verifies(client, ofB)).toBe(true);
    server.refuse(status.PERMISSION_DENIED, 'no identity issued');
    await until(() => client.svids.length === 0);
    expect([verifies(client, ofB), verifies(client, second)]).toEqual([false, false]);
    expect(client.problem).toMatchObject({ code: 'permission-denied' });
  });

  it('gives up a stream on which nothing comes', async () => {
    server.answer = () => {};
    const client = startClient();
    await until(() => server.seen.length === 1);
    await clock.advance(30_000);
    await until(() => client.problem !== undefined);
    expect(client.problem).toMatchObject({ code: 'unavailable', message: 'it sends no message' });
    server.say(message([entry(first, a)]));
    await until(() => clock.waits().length > 0);
    await clock.advance(1000);
    await until(() => client.svids.length === 1);
    // What has spoken may be quiet for as long as it likes.
    await clock.advance(3_600_000);
    expect(server.seen).toHaveLength(2);
  });

  it('takes no message that is too large, and keeps what it had', async () => {
    server.say(message([entry(first, a)]));
    const client = startClient();
    await until(() => client.svids.length === 1);
    await clock.advance(60_000);
    server.say(message([entry(second, a, { bundle: Buffer.alloc(65 * 1024 * 1024) })]));
    await until(() => client.problem?.code === 'unavailable');
    expect(client.problem?.message).toContain('RESOURCE_EXHAUSTED');
    expect(idsOf(client)).toEqual([first.id]);
  });

  it('says once and in plain words that something else listens there', async () => {
    await server.stop();
    const other = createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    other.listen(server.path);
    closing.push(() => void other.close());
    const client = startClient();
    for (const waitMs of [1000, 2000, 3000]) {
      await expect.poll(() => clock.waits(), OFTEN).toEqual([waitMs]);
      await clock.advance(waitMs);
    }
    expect(client.problem).toEqual({
      code: 'unavailable',
      message: expect.stringMatching(/^UNAVAILABLE: .*Protocol error$/),
    });
    expect(log.records.filter(({ level }) => level === 'warn')).toHaveLength(1);
  });

  it('stops in every state', async () => {
    const silent = startClient();
    await until(() => server.seen.length === 1);
    await silent.stop();
    await server.stop();
    const alone = startClient();
    await until(() => clock.waits().length > 0);
    await alone.stop();
    expect(clock.waits()).toEqual([]);
  });
});

/** A source with an SVID that ends in an hour. */
async function withSvidOfOneHour() {
  const hour = new Date(TEST_INSTANT.getTime() + 3_600_000);
  const short = await a.issueLeaf({ path: '/one', notAfter: hour });
  server.say(message([entry(short, a)]));
  const client = startClient();
  const source = startSource(client);
  await until(() => source.current() !== undefined);
  return { hour, short, client, source };
}

describe('createWorkloadSvidSource()', () => {
  it('is the default SVID, and another in the moment in which another is given (WLAPI-26)', async () => {
    server.say(message([entry(first, a), entry(second, a)]));
    const client = startClient();
    const source = startSource(client);
    const seen: (string | undefined)[] = [];
    source.onChange(() => seen.push(idOf(source)));
    await until(() => source.current() !== undefined);
    server.say(message([entry(second, a)]));
    await until(() => idOf(source) === second.id);
    // Only a bundle is another: nothing to show anew.
    server.say(message([entry(second, a)], { 'spiffe://b.example': b.root }));
    await until(() => verifies(client, ofB));
    expect(seen).toEqual([first.id, second.id]);
  });

  it('is the one that the choice names, by ID or by hint; none where none is it (WLAPI-24, WLAPI-26)', async () => {
    const both = message([entry(first, a), entry(second, a, { hint: 'external' })]);
    server.say(both);
    const client = startClient();
    const byId = startSource(client, { spiffeId: second.id });
    const byHint = startSource(client, { hint: 'external' });
    const byBoth = startSource(client, { spiffeId: first.id, hint: 'external' });
    await until(() => byId.current() !== undefined);
    expect([idOf(byId), idOf(byHint), idOf(byBoth)]).toEqual([second.id, second.id, undefined]);
    const logged = log.records.find(({ message: text }) => text.startsWith('no SVID of the Workload API'));
    expect(JSON.stringify(logged?.fields)).toContain(second.id);
    // The message goes on without it: it was taken back.
    server.say(message([entry(first, a)]));
    await until(() => byId.current() === undefined);
    expect(idOf(byHint)).toBeUndefined();
    server.say(both);
    await until(() => idOf(byHint) === second.id);
  });

  it('is none once it has expired, and tells so; the next one heals it', async () => {
    const { short, client, source } = await withSvidOfOneHour();
    await clock.advance(60_000);
    await server.stop();
    await until(() => client.problem?.code === 'unavailable');
    await clock.advance(3_530_000);
    expect(idOf(source)).toBe(short.id);
    let changes = 0;
    source.onChange(() => {
      changes += 1;
    });
    await clock.advance(10_000);
    expect([idOf(source), changes]).toEqual([undefined, 1]);
    expect(
      log.records.some(({ level, message: text }) => level === 'error' && text.includes('expired')),
    ).toBe(true);
    // One that has expired already is not taken either.
    await server.start();
    await until(() => clock.waits().length > 0);
    await clock.advance(10_000);
    await until(() => client.problem === undefined);
    expect(idOf(source)).toBeUndefined();
    server.say(message([entry(first, a)]));
    await until(() => idOf(source) === first.id);
  });

  it('asks again when the SVID is not renewed in time, so that a server that hangs is left for the one in its place', async () => {
    const { hour, short, client, source } = await withSvidOfOneHour();
    server.answer = () => {};
    await clock.advance(2_699_000);
    expect(server.seen).toHaveLength(1);
    await clock.advance(1000);
    await until(() => server.seen.length === 2);
    // It hangs still: told, and what there is stays.
    await clock.advance(30_000);
    await until(() => client.problem?.code === 'unavailable');
    expect(idOf(source)).toBe(short.id);
    server.answer = (call) => call.write(message([entry(first, a)]));
    await until(() => clock.waits().includes(1000));
    await clock.advance(1000);
    await until(() => source.current()?.notAfter.getTime() !== hour.getTime());
    expect([idOf(source), client.problem]).toEqual([first.id, undefined]);
  });

  it('is none after PermissionDenied (WLAPI-24)', async () => {
    server.say(message([entry(first, a)]));
    const client = startClient();
    const source = startSource(client);
    await until(() => source.current() !== undefined);
    server.refuse(status.PERMISSION_DENIED);
    await expect.poll(() => source.current(), OFTEN).toBeUndefined();
  });
});
