import { once } from 'node:events';
import { connect, getCACertificates, setDefaultCACertificates } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FakePeer } from '../../testkit/fake-peer.ts';
import { webPkiContext } from '../../src/federation/fetch/web-pki-context.ts';
import { AgentWorld, overWeb, peerName, serve } from './agent-world.ts';
import { type Authority, createAuthority } from './authority.ts';

const now = new Date();
const usual = getCACertificates('default');
let webCa: Authority;
let root: Authority;

beforeAll(async () => {
  [webCa, root] = await Promise.all([createAuthority('public ca', now), createAuthority('root', now)]);
  // For this file, and before the first context is made, the machine trusts one more CA.
  setDefaultCACertificates([...usual, webCa.pem]);
});

afterAll(() => setDefaultCACertificates(usual));

describe('webPkiContext()', () => {
  it('lets a relationship work with URL, profile and trust domain alone (FED-05, FED-26)', async () => {
    await using world = await AgentWorld.start(now);
    await using peer = await FakePeer.start(await webCa.web(['localhost']));
    peer.answer = serve([root], { sequence: 1n });
    const { relationship } = await world.federation.relationships.add({
      trustDomain: peerName,
      endpointUrl: peer.url('/', 'localhost'),
      profile: overWeb,
      bootstrap: { kind: 'web-pki' },
      actor: 'operator:1000',
    });
    expect(relationship.bootstrap.kind).toBe('web-pki');
    expect(await world.poll()).toBe('unchanged');
    peer.become(await webCa.web(['elsewhere.example']));
    expect(await world.poll()).toBe('failed web-certificate-refused');
  });

  it.each([
    ['those that Node trusts', undefined, true],
    ['none', '', false],
  ])('trusts %s where its CAs are %j', async (_what, caPem, authorized) => {
    await using peer = await FakePeer.start(await webCa.web(['localhost']));
    const secureContext = webPkiContext(caPem);
    const socket = connect({
      port: peer.port,
      host: '127.0.0.1',
      servername: 'localhost',
      secureContext,
      rejectUnauthorized: false,
    });
    await once(socket, 'secureConnect');
    expect(socket.authorized).toBe(authorized);
    socket.destroy();
  });

  it('is one for all peers with the same CAs, and another one for others', () => {
    expect(webPkiContext(undefined)).toBe(webPkiContext(undefined));
    expect(webPkiContext(webCa.pem)).toBe(webPkiContext(webCa.pem));
    expect(webPkiContext(webCa.pem)).not.toBe(webPkiContext(root.pem));
  });
});
