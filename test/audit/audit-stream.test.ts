import { once } from 'node:events';
import { appendFileSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';
import { describe, expect, it } from 'vitest';
import { AuditStream, fileSink, webhookSink } from '../../src/audit/index.ts';
import type { AuditSink } from '../../src/audit/audit-sink.ts';
import type { CloudEvent } from '../../src/audit/cloud-event.ts';
import { createMetrics, systemClock } from '../../src/platform/index.ts';
import { parseTrustDomain } from '../../src/spiffe/index.ts';
import type { Store } from '../../src/store/index.ts';
import { openTestStore } from '../../testkit/open-test-store.ts';
import { createRecordingLog } from '../../testkit/recording-log.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { TEST_INSTANT } from '../../testkit/test-ca.ts';
import { TestClock } from '../../testkit/test-clock.ts';
import { until } from '../../testkit/until.ts';

const OWN = parseTrustDomain('a.example');
const PEER = parseTrustDomain('b.example');
const SECRET = `whsec_${Buffer.alloc(32, 1).toString('base64')}`;
const OTHER_SECRET = `whsec_${Buffer.alloc(32, 2).toString('base64')}`;

/** Writes events with these messages into the history. */
async function record(store: Store, ...messages: readonly string[]): Promise<void> {
  for (const message of messages)
    await store.recordEvent({
      at: TEST_INSTANT,
      kind: 'relationship-changed',
      trustDomain: PEER,
      actor: 'operator:1000',
      code: 'policy-changed',
      message,
      detail: { sequence: 7n },
    });
}

/** A sink that keeps what it took, and fails as long as `fails` says so. */
function keepingSink(batch = 1): AuditSink & { readonly taken: string[]; fails: boolean } {
  const sink = {
    batch,
    taken: [] as string[],
    fails: false,
    deliver: (events: readonly CloudEvent[]) => {
      if (sink.fails) return Promise.reject(new Error('away'));
      sink.taken.push(...events.map(({ data }) => data.message));
      return Promise.resolve();
    },
  };
  return sink;
}

function streamTo(
  sink: AuditSink,
  store: Store,
  options: { from?: 'now' | 'beginning'; clock?: TestClock } = {},
) {
  const { from = 'beginning', clock = new TestClock(TEST_INSTANT) } = options;
  const counted = createMetrics({ processMetrics: false }).counter('federate_audit_events_total', 'x', [
    'sink',
    'outcome',
  ]);
  const log = createRecordingLog();
  const random = { fraction: () => 1, bytes: (length: number) => new Uint8Array(length) };
  const parts = { name: 'test', sink, from, store, trustDomain: () => OWN, counted, clock, random, log };
  return { stream: new AuditStream(parts), clock, log };
}

describe('the audit stream', () => {
  it('gives every event to a sink, in order, and each new one when it is woken', async () => {
    await using store = await openTestStore();
    await record(store, 'one', 'two', 'three');
    const sink = keepingSink(2);
    const { stream } = streamTo(sink, store);
    await stream.start();
    await until(() => sink.taken.length === 3, 'the first events');
    await record(store, 'four');
    stream.wake();
    await until(() => sink.taken.length === 4, 'the new one');
    expect(sink.taken).toEqual(['one', 'two', 'three', 'four']);
    await stream.stop();
  });

  it('finds a new event after a minute when nobody wakes it', async () => {
    await using store = await openTestStore();
    const sink = keepingSink();
    const { stream, clock } = streamTo(sink, store);
    await stream.start();
    await clock.untilSleeping();
    await record(store, 'unheard');
    await clock.advance(60_000);
    await until(() => sink.taken.length === 1, 'the event');
    expect(sink.taken).toEqual(['unheard']);
    await stream.stop();
  });

  it('keeps order while a sink is away, loses nothing over a restart, and tells since when', async () => {
    await using store = await openTestStore();
    await record(store, 'one');
    const sink = keepingSink();
    const first = streamTo(sink, store);
    await first.stream.start();
    await until(() => sink.taken.length === 1, 'the first event');
    sink.fails = true;
    await record(store, 'two', 'three');
    first.stream.wake();
    await until(() => first.stream.trouble !== undefined, 'the failure');
    expect(first.stream.trouble).toMatchObject({
      code: 'audit-failed',
      message: 'away',
      since: TEST_INSTANT,
    });
    // The waits double from a second to five minutes.
    for (const wait of [1000, 2000, 4000, 8000]) {
      expect(await first.clock.untilSleeping()).toContain(wait);
      await first.clock.advance(wait);
    }
    expect(first.log.records.filter(({ level }) => level === 'warn')).toHaveLength(1);
    await first.stream.stop();
    expect(sink.taken).toEqual(['one']);

    sink.fails = false;
    const second = streamTo(sink, store);
    await second.stream.start();
    await until(() => sink.taken.length === 3, 'what had waited');
    expect(sink.taken).toEqual(['one', 'two', 'three']);
    expect(second.stream.trouble).toBeUndefined();
    await second.stream.stop();
  });

  it('begins with the next event where it is to begin now, and its place is kept from the start', async () => {
    await using store = await openTestStore();
    await record(store, 'old');
    const sink = keepingSink();
    sink.fails = true;
    const first = streamTo(sink, store, { from: 'now' });
    await first.stream.start();
    await record(store, 'new');
    await first.stream.stop();
    sink.fails = false;
    const second = streamTo(sink, store, { from: 'now' });
    await second.stream.start();
    await until(() => sink.taken.length > 0, 'the event');
    expect(sink.taken).toEqual(['new']);
    await second.stream.stop();
  });

  it('ends within seconds although a sink hangs', async () => {
    await using store = await openTestStore();
    await record(store, 'one');
    const hanging: AuditSink = {
      batch: 1,
      deliver: (_, signal) =>
        new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
    };
    const { stream, clock } = streamTo(hanging, store);
    await stream.start();
    const stopped = stream.stop();
    await clock.untilSleeping();
    await clock.advance(3000);
    expect(await stopped).toBeUndefined();
  });
});

/** The events of a store as CloudEvents, by a sink that keeps them. */
async function eventsOf(store: Store): Promise<readonly CloudEvent[]> {
  const taken: CloudEvent[] = [];
  const sink: AuditSink = {
    batch: 100,
    deliver: (events) => {
      taken.push(...events);
      return Promise.resolve();
    },
  };
  const { stream } = streamTo(sink, store);
  await stream.start();
  await stream.stop();
  return taken;
}

describe('an event of the audit stream', () => {
  it('is a CloudEvent whose ID no other history gives', async () => {
    await using store = await openTestStore();
    await record(store, 'one');
    const [event] = await eventsOf(store);
    const [link] = await store.chainLinks({ limit: 1 });
    expect(event).toEqual({
      specversion: '1.0',
      id: `${link?.hash.slice(0, 16)}-1`,
      source: 'spiffe://a.example',
      type: 'dev.federate.relationship-changed',
      subject: 'b.example',
      time: TEST_INSTANT.toISOString(),
      datacontenttype: 'application/json',
      data: {
        actor: 'operator:1000',
        code: 'policy-changed',
        message: 'one',
        version: null,
        detail: { sequence: '7' },
      },
    });
  });
});

describe('a file of the audit stream', () => {
  const idsIn = (file: string) =>
    readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('{"specversion"'))
      .map((line) => JSON.parse(line).data.message);

  it('has one line for each event, mode 0600, and is begun again when it was renamed', async () => {
    using folder = tempDir();
    await using store = await openTestStore();
    await record(store, 'one', 'two');
    const events = await eventsOf(store);
    const file = folder.file('audit.jsonl');
    const { signal } = new AbortController();
    await fileSink(file).deliver(events.slice(0, 1), signal);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    renameSync(file, folder.file('audit.1'));
    await fileSink(file).deliver(events.slice(1), signal);
    expect([idsIn(folder.file('audit.1')), idsIn(file)]).toEqual([['one'], ['two']]);
  });

  it('leaves a line that a crash cut off alone', async () => {
    using folder = tempDir();
    await using store = await openTestStore();
    await record(store, 'one');
    const file = folder.file('audit.jsonl');
    appendFileSync(file, '{"specversion":"1.0","id":"cut');
    await fileSink(file).deliver(await eventsOf(store), new AbortController().signal);
    expect(readFileSync(file, 'utf8').split('\n')[0]).toBe('{"specversion":"1.0","id":"cut');
    expect(JSON.parse(readFileSync(file, 'utf8').split('\n')[1] ?? '').data.message).toBe('one');
  });

  it('is refused where it is a folder, or its folder is missing', async () => {
    using folder = tempDir();
    mkdirSync(folder.file('folder'));
    for (const path of [folder.file('folder'), folder.file('none/audit.jsonl')])
      await expect(fileSink(path).deliver([], new AbortController().signal)).rejects.toMatchObject({
        code: 'audit-file-unusable',
      });
  });
});

/** A server on loopback until the scope ends. */
async function serve(answer: RequestListener) {
  const server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a TCP server
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/hook?token=hidden`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

describe('a webhook of the audit stream', () => {
  it('gets each event with a signature that Standard Webhooks verifies, under every secret', async () => {
    using folder = tempDir();
    await using store = await openTestStore();
    await record(store, 'one', 'two');
    const got: { body: string; headers: Record<string, string> }[] = [];
    await using server = await serve((request, response) => {
      let body = '';
      request.on('data', (chunk) => (body += chunk));
      request.on('end', () => {
        got.push({ body, headers: request.headers as Record<string, string> });
        response.writeHead(204).end();
      });
    });
    const secretFile = folder.file('secret');
    writeFileSync(secretFile, `${SECRET}\n${OTHER_SECRET}\n`, { mode: 0o600 });
    const sink = webhookSink({ url: server.url, secretFile, clock: systemClock });
    const { stream } = streamTo(sink, store);
    await stream.start();
    await until(() => got.length === 2, 'both events');
    await stream.stop();
    for (const { body, headers } of got) {
      expect(headers['content-type']).toBe('application/cloudevents+json; charset=utf-8');
      for (const secret of [SECRET, OTHER_SECRET])
        expect(new Webhook(secret).verify(body, headers)).toEqual(JSON.parse(body));
      const wrong = new Webhook(`whsec_${Buffer.alloc(32, 3).toString('base64')}`);
      expect(() => wrong.verify(body, headers)).toThrow('No matching signature');
      expect(() => new Webhook(SECRET).verify(`${body} `, headers)).toThrow('No matching signature');
    }
    expect(got.map(({ body }) => JSON.parse(body).data.message)).toEqual(['one', 'two']);
  });

  it.each([
    ['answers 500', 500, 'audit-webhook-refused'],
    ['redirects', 302, 'audit-webhook-refused'],
  ])('is tried again where it %s, and its query is never told', async (_, status, code) => {
    using folder = tempDir();
    await using store = await openTestStore();
    await record(store, 'one');
    await using server = await serve((_request, response) => {
      response.writeHead(status, { location: 'http://127.0.0.1:9/' }).end();
    });
    const secretFile = folder.file('secret');
    writeFileSync(secretFile, SECRET, { mode: 0o600 });
    const sink = webhookSink({ url: server.url, secretFile, clock: systemClock });
    const failure = await sink
      .deliver(await eventsOf(store), new AbortController().signal)
      .catch((error) => error);
    expect(failure).toMatchObject({ code });
    expect(failure.message).not.toContain('hidden');
  });

  it('is not reached within ten seconds where it hangs', async () => {
    using folder = tempDir();
    await using store = await openTestStore();
    await record(store, 'one');
    await using server = await serve(() => {});
    const secretFile = folder.file('secret');
    writeFileSync(secretFile, SECRET, { mode: 0o600 });
    const clock = new TestClock(TEST_INSTANT);
    const sink = webhookSink({ url: server.url, secretFile, clock });
    const given = sink.deliver(await eventsOf(store), new AbortController().signal);
    const failure = given.catch((error: unknown) => error);
    await clock.untilSleeping();
    await clock.advance(10_000);
    expect(await failure).toMatchObject({ code: 'audit-webhook-unreachable' });
  });

  it.each([
    ['may be read by others', SECRET, 0o644],
    ['is empty', '\n', 0o600],
    ['has a secret without its prefix', Buffer.alloc(32).toString('base64'), 0o600],
    ['has a short secret', `whsec_${Buffer.alloc(8).toString('base64')}`, 0o600],
  ])('sends nothing where the file of secrets %s', async (_, text, mode) => {
    using folder = tempDir();
    await using store = await openTestStore();
    await record(store, 'one');
    const secretFile = folder.file('secret');
    writeFileSync(secretFile, text, { mode });
    const sink = webhookSink({ url: 'http://127.0.0.1:9/', secretFile, clock: systemClock });
    await expect(sink.deliver(await eventsOf(store), new AbortController().signal)).rejects.toMatchObject({
      code: 'audit-secret-unusable',
    });
  });
});
