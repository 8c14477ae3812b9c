import { describe, expect, it } from 'vitest';
import type { AnnouncedService } from '../../../src/mesh-adapters/consul/announcement.ts';
import type { ServiceAnswer } from '../../../src/mesh-adapters/consul/service-sender.ts';
import { parsePeeringToken } from '../../../src/mesh-adapters/consul/peering-token.ts';
import { PeerSession } from '../../../src/mesh-adapters/consul/peer-session.ts';
import { parseOwnTrust } from '../../../src/mesh-adapters/consul/read-own-trust.ts';
import {
  EXPORTED_SERVICE_LIST_URL,
  EXPORTED_SERVICE_URL,
  exportedServiceListMessage,
  PEERING_TRUST_BUNDLE_URL,
  peeringTrustBundleMessage,
  type ReplicationMessage,
} from '../../../src/grpc/index.ts';
import { parseServiceId } from '../../../src/services/index.ts';
import { pemFromCertificates } from '../../../src/spiffe/index.ts';
import { createTestCa } from '../../../testkit/test-ca.ts';

function session() {
  const sent: ReplicationMessage[] = [];
  const reported: string[] = [];
  const answers: ServiceAnswer[] = [];
  let services: readonly AnnouncedService[] | undefined;
  let digest = 'one';
  const peer = new PeerSession({
    peerId: 'peer',
    send: (message) => void sent.push(message),
    bundle: () => ({
      digest,
      message: {
        trust_domain: 'west.example',
        peer_name: '',
        partition: '',
        root_pems: [digest],
        exported_partition: '',
      },
    }),
    services: () => services,
    onServiceAnswer: (answer) => void answers.push(answer),
    onAccepted: (label) => void reported.push(`accepted ${label}`),
    onRefused: (label, reason) => void reported.push(`refused ${label}: ${reason}`),
    onAddresses: () => {},
    onExports: (services) => void reported.push(`exports ${services.join(' ')}`),
  });
  const request = (response_nonce: string, error?: { code: number; message: string }) =>
    peer.receive({
      request: {
        peer_id: '',
        resource_url: PEERING_TRUST_BUNDLE_URL,
        response_nonce,
        ...(error && { error }),
      },
    });
  const change = (to: string) => {
    digest = to;
    peer.bundleChanged();
  };
  const announce = (...wanted: readonly AnnouncedService[]) => {
    services = wanted;
    peer.servicesChanged([]);
  };
  return { peer, sent, reported, request, change, announce, answers };
}

describe('PeerSession', () => {
  it('sends Open first, then one subscription for each type, and nothing without a request', () => {
    const { peer, sent, change } = session();
    peer.start('secret');
    expect(sent[0]?.open).toEqual({ peer_id: 'peer', stream_secret_id: 'secret' });
    expect(sent.slice(1).map(({ request }) => request?.response_nonce)).toEqual(['', '', '', '']);
    change('two');
    expect(sent).toHaveLength(5);
  });

  it('reports which services are exported to it, a list with many names cut short, and acknowledges it', () => {
    const { peer, sent, reported } = session();
    peer.start('secret');
    const list = (services: readonly string[]) =>
      peer.receive({
        response: {
          nonce: '7',
          resource_url: EXPORTED_SERVICE_LIST_URL,
          resource_id: 'exported-service-list',
          resource: {
            type_url: EXPORTED_SERVICE_LIST_URL,
            value: exportedServiceListMessage.encode({ services: [...services] }),
          },
          operation: 1,
        },
      });
    list(['info', 'info-sidecar-proxy']);
    expect(reported).toEqual(['exports info info-sidecar-proxy']);
    expect(sent.at(-1)?.request).toMatchObject({ response_nonce: '7' });
    list(Array.from({ length: 5000 }, () => 'x'));
    expect(reported.at(-1)).toHaveLength('exports '.length + 1000 + 999);
  });

  it('sends the bundle as `roots` on request and after a change, and matches ACK and NACK by nonce', () => {
    const { peer, sent, reported, request, change } = session();
    peer.start('secret');
    request('');
    const first = sent.at(-1)?.response;
    expect(first).toMatchObject({
      resource_id: 'roots',
      resource_url: PEERING_TRUST_BUNDLE_URL,
      operation: 1,
    });
    expect(peeringTrustBundleMessage.decode(first?.resource?.value ?? Buffer.alloc(0)).root_pems).toEqual([
      'one',
    ]);
    change('one');
    expect(sent.at(-1)?.response).toBe(first);
    change('two');
    const second = sent.at(-1)?.response?.nonce ?? '';
    request('unknown');
    request(first?.nonce ?? '');
    request(second, { code: 3, message: 'no' });
    expect(reported).toEqual(['accepted one', 'refused two: no']);
  });

  it('acknowledges what it subscribed, refuses what it did not, and ends with Terminated', () => {
    const { peer, sent } = session();
    const respond = (resource_url: string) =>
      peer.receive({ response: { nonce: 'n', resource_url, resource_id: 'x', operation: 1 } });
    respond(PEERING_TRUST_BUNDLE_URL);
    expect(sent.at(-1)?.request).toEqual({
      peer_id: 'peer',
      response_nonce: 'n',
      resource_url: PEERING_TRUST_BUNDLE_URL,
    });
    respond('type.googleapis.com/other');
    expect(sent.at(-1)?.request?.error?.code).toBe(3);
    expect(() => peer.receive({ terminated: {} })).toThrow(
      expect.objectContaining({ code: 'peering-terminated' }),
    );
  });
});

describe('PeerSession with services', () => {
  const service = (name: string, content = name): AnnouncedService => ({
    name,
    id: parseServiceId(name),
    port: 'http',
    content: Buffer.from(content),
    leavesOut: false,
  });
  /** What was sent after the subscriptions of a started session, as type, ID and content. */
  function started() {
    const session_ = session();
    const { peer, sent } = session_;
    peer.start('secret');
    const from = sent.length;
    const responses = () =>
      sent.slice(from).flatMap(({ response }) => {
        if (!response) return [];
        const { resource_url: url, resource_id: id, resource } = response;
        const value = resource?.value ?? Buffer.alloc(0);
        return url === EXPORTED_SERVICE_LIST_URL
          ? [`list ${exportedServiceListMessage.decode(value).services.join()}`]
          : [`${id} ${value.toString()}`];
      });
    const nonces = () => sent.slice(from).flatMap(({ response }) => response?.nonce ?? []);
    const subscribe = (resource_url: string, response_nonce = '') =>
      peer.receive({ request: { peer_id: '', resource_url, response_nonce } });
    return { ...session_, responses, nonces, subscribe };
  }

  it('sends nothing of services before it is known which are wanted, so that the cluster deletes none', () => {
    const { responses, subscribe, announce } = started();
    subscribe(EXPORTED_SERVICE_URL);
    subscribe(EXPORTED_SERVICE_LIST_URL);
    expect(responses()).toEqual([]);
    announce();
    expect(responses()).toEqual(['list ']);
  });

  it('sends each service and the list to a cluster that subscribed them, and what has changed alone', () => {
    const { responses, subscribe, announce } = started();
    announce(service('a'), service('b'));
    expect(responses()).toEqual([]);
    subscribe(EXPORTED_SERVICE_URL);
    subscribe(EXPORTED_SERVICE_LIST_URL);
    expect(responses()).toEqual(['a-sidecar-proxy a', 'b-sidecar-proxy b', 'list a,b']);
    announce(service('a'), service('b', 'b2'));
    expect(responses().slice(3)).toEqual(['b-sidecar-proxy b2']);
    announce(service('b', 'b2'));
    announce(service('a'), service('b', 'b2'));
    expect(responses().slice(4)).toEqual(['list b', 'a-sidecar-proxy a', 'list a,b']);
  });

  it('reports the answers about services by nonce, with the reason of a refusal', () => {
    const { peer, nonces, subscribe, announce, answers, reported } = started();
    announce(service('a'));
    subscribe(EXPORTED_SERVICE_URL);
    subscribe(EXPORTED_SERVICE_LIST_URL);
    const [one = '', list = ''] = nonces();
    const error = { code: 13, message: 'no such luck' };
    peer.receive({
      request: { peer_id: '', resource_url: EXPORTED_SERVICE_URL, response_nonce: one, error },
    });
    subscribe(EXPORTED_SERVICE_LIST_URL, list);
    subscribe(EXPORTED_SERVICE_LIST_URL, list);
    expect(answers).toEqual([
      { kind: 'service', name: 'a', content: Buffer.from('a'), refusal: 'no such luck' },
      { kind: 'list', names: ['a'] },
    ]);
    expect(reported).toEqual([]);
  });
});

describe('parsePeeringToken()', () => {
  const token = {
    CA: ['-----BEGIN CERTIFICATE-----'],
    ServerAddresses: ['10.0.0.1:8503'],
    ServerName: 'server.dc1.peering.x.consul',
    PeerID: 'id',
    EstablishmentSecret: 'secret',
  };
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64');

  it.each([
    { ...token, CA: [] },
    { ...token, ServerAddresses: ['unix:/run/x'] },
    { ...token, ServerAddresses: [] },
    { ...token, ServerName: '' },
    { ...token, PeerID: 7 },
    'text',
  ])('refuses %j', (value) => {
    expect(parsePeeringToken(encode(token)).addresses).toEqual(['10.0.0.1:8503']);
    expect(() => parsePeeringToken(encode(value))).toThrow(
      expect.objectContaining({ code: 'peering-token-malformed' }),
    );
  });

  it('never quotes the token in its error', () => {
    const text = Buffer.from('secret-that-is-no-json').toString('base64');
    expect(() => parsePeeringToken(text)).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('secret-that') }),
    );
  });
});

describe('parseOwnTrust()', () => {
  it('takes every root, active and retiring, no intermediates, all or none, and which one signs', async () => {
    const [a, b, c] = await Promise.all(
      ['A', 'B', 'C'].map((name) => createTestCa({ trustDomain: 'x.consul', subject: `CN=${name}` })),
    );
    if (!a || !b || !c) throw new TypeError('three CAs were made');
    const pem = (der: Uint8Array) => pemFromCertificates([der]);
    const body = {
      TrustDomain: 'x.consul',
      Roots: [
        { RootCert: pem(a.root), Active: true, IntermediateCerts: [pem(c.root)] },
        { RootCert: pem(b.root), Active: false },
      ],
    };
    expect(parseOwnTrust(body).roots.map(({ subject }) => subject)).toEqual(['CN=A', 'CN=B']);
    expect(parseOwnTrust(body).signing).toEqual([a.authority.fingerprint]);
    const active = (...each: readonly unknown[]) =>
      parseOwnTrust({ ...body, Roots: body.Roots.map((root, index) => ({ ...root, Active: each[index] })) });
    expect(active(false, true).signing).toEqual([b.authority.fingerprint]);
    for (const nobody of [active(false, false), active(true, true), active('true', 1), active()])
      expect(nobody.signing).toBeUndefined();
    expect(() => parseOwnTrust({ ...body, Roots: [...body.Roots, { RootCert: 'x' }] })).toThrow(
      expect.objectContaining({ code: 'own-roots-malformed' }),
    );
    expect(() => parseOwnTrust({})).toThrow(expect.objectContaining({ code: 'mesh-answer-malformed' }));
  });
});
