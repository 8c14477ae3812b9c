import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type AddRequest, FederationError } from '../../src/federation/index.ts';
import {
  bundleOf,
  parsePin,
  parseSpiffeId,
  parseTrustDomain,
  pinOfBundle,
  pinOfKey,
  serializeBundle,
} from '../../src/spiffe/index.ts';
import { answers, FakePeer } from '../../testkit/fake-peer.ts';
import { oddRoots } from '../../testkit/odd-roots.ts';
import { createTestCa } from '../../testkit/test-ca.ts';
import {
  addWithBundle,
  AgentWorld,
  documentOf,
  endpointId,
  overSpiffe,
  overWeb,
  peerName,
  serve,
} from './agent-world.ts';
import { type Authority, createAuthority } from './authority.ts';

const now = new Date();
let root: Authority;
let next: Authority;
let stranger: Authority;
let webCa: Authority;
let expired: Authority;

beforeAll(async () => {
  [root, next, stranger, webCa, expired] = await Promise.all([
    createAuthority('root', now),
    createAuthority('next root', now),
    createAuthority('stranger', now),
    createAuthority('web ca', now),
    createAuthority('expired root', now, { notAfter: new Date(now.getTime() - 1000) }),
  ]);
});

let world: AgentWorld;
let peer: FakePeer;

beforeEach(async () => {
  world = await AgentWorld.start(now);
  peer = await FakePeer.start(await root.svid(endpointId));
  peer.answer = serve([root], { sequence: 1n });
});

afterEach(async () => {
  await world[Symbol.asyncDispose]();
  await peer.close();
});

const document = (...authorities: Authority[]) => Buffer.from(documentOf(authorities, { sequence: 1n }));

function request(rest: Partial<AddRequest>): AddRequest {
  return {
    trustDomain: peerName,
    endpointUrl: peer.url(),
    profile: overSpiffe,
    actor: 'operator:1000',
    bootstrap: { kind: 'bundle', document: document(root), name: 'peer.json' },
    ...rest,
  };
}

/** The code of the refusal, after looking that nothing was stored, trusted or announced. */
async function refused(rest: Partial<AddRequest>): Promise<FederationError> {
  const before = [await world.store.relationships(), await world.store.currentAll(), world.changes.length];
  const error: unknown = await world.federation.relationships.add(request(rest)).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof FederationError)) throw new Error('expected a FederationError', { cause: error });
  expect([await world.store.relationships(), await world.store.currentAll(), world.changes.length]).toEqual(
    before,
  );
  return error;
}

describe('Relationships.add() with a bundle file', () => {
  it('trusts it, records it, and asks the endpoint at once (FED-04)', async () => {
    peer.answer = serve([root, next], { sequence: 2n });
    const result = await world.federation.relationships.add(request({}));
    expect(result).toMatchObject({ notes: [], firstPoll: { kind: 'accepted', added: 1 } });
    expect(world.trusted()).toHaveLength(2);
    expect(world.changes).toEqual([
      [peerName, 1],
      [peerName, 2],
    ]);
    const history = await world.store.history(peerName);
    expect(history.map(({ verdict, origin }) => [verdict, origin])).toEqual([
      ['accepted', peer.url()],
      ['bootstrap', 'peer.json'],
    ]);
    expect(history[0]?.provedBy).toContain(root.x509.fingerprint);
    const events = await world.store.events({ trustDomain: peerName });
    expect(events.map(({ kind, actor }) => [kind, actor])).toEqual([
      ['bundle-accepted', 'agent'],
      ['relationship-added', 'operator:1000'],
    ]);
  });

  it('takes CA certificates in PEM too (FED-30)', async () => {
    const bootstrap = { kind: 'bundle', document: Buffer.from(`# roots\n${root.pem}${next.pem}`) } as const;
    peer.answer = serve([root, next]);
    const result = await world.federation.relationships.add(request({ bootstrap }));
    expect(result.firstPoll).toEqual({ kind: 'unchanged' });
    expect(world.trusted()).toHaveLength(2);
  });

  it('keeps the relationship when the endpoint cannot be had, and says so', async () => {
    await peer.close();
    const result = await world.federation.relationships.add(request({}));
    expect(result.firstPoll).toMatchObject({ kind: 'failed', code: 'connect-failed' });
    expect(world.state()).toBe('failing connect-failed');
    expect(world.trusted()).toEqual([root.x509.fingerprint]);
  });

  it.each([
    ['no bundle', () => Buffer.from('hello'), 'bootstrap-bundle-invalid'],
    ['nothing', () => Buffer.alloc(0), 'bootstrap-bundle-invalid'],
    ['a truncated bundle', () => document(root).subarray(0, 100), 'bootstrap-bundle-invalid'],
    [
      'a private key',
      () => Buffer.from('-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----'),
      'bootstrap-bundle-invalid',
    ],
    ['a bundle without keys', () => document(), 'bootstrap-bundle-unusable'],
    ['an expired root', () => document(expired), 'bootstrap-bundle-unusable'],
  ])('refuses %s', async (_what, bytes, code) => {
    expect((await refused({ bootstrap: { kind: 'bundle', document: bytes() } })).code).toBe(code);
  });

  describe('whose entries other programs cannot read', () => {
    const odd = oddRoots().filter(({ counts }) => !counts);
    const broken = (der: Uint8Array) =>
      Buffer.from(
        JSON.stringify({
          spiffe_sequence: 1,
          keys: [{ kty: 'EC', crv: 'P-256', use: 'x509-svid', x5c: [Buffer.from(der).toString('base64')] }],
        }),
      );
    const overTheWeb = () => ({ profile: overWeb, endpointUrl: peer.url('/', 'localhost') });

    it.each(
      odd.map(({ name, der }) => [name, der] as const),
    )('adds the peer without keys and says why: %s', async (_name, der) => {
      peer.become(await webCa.web(['localhost']));
      peer.answer = answers.document(broken(der).toString());
      const bootstrap = { kind: 'bundle', document: broken(der), caPem: webCa.pem } as const;
      const { notes } = await world.federation.relationships.add(request({ ...overTheWeb(), bootstrap }));
      expect(notes).toContainEqual({
        code: 'no-usable-entries',
        message: expect.stringContaining('entry 1 is ignored: ') as unknown,
      });
      expect(world.trusted()).toEqual([]);
      expect(world.state()).toBe('failing no-usable-entries');
      // A root that comes later is held for no time at all: Web PKI alone does not vouch for it.
      peer.answer = serve([root], { sequence: 2n });
      expect(await world.poll()).toBe('quarantined all-roots-replaced');
    });

    it('is failing from the start where the endpoint itself gave the document', async () => {
      const [{ der } = { der: new Uint8Array() }] = odd;
      peer.become(await webCa.web(['localhost']));
      peer.answer = answers.document(broken(der).toString());
      const bootstrap = { kind: 'web-pki', caPem: webCa.pem } as const;
      const { relationship } = await world.federation.relationships.add(
        request({ ...overTheWeb(), bootstrap }),
      );
      expect(relationship).toMatchObject({ state: 'failing', stateReason: { code: 'no-usable-entries' } });
    });

    it('is refused with the reason where only a root of it could prove the endpoint', async () => {
      const [{ der } = { der: new Uint8Array() }] = odd;
      const error = await refused({ bootstrap: { kind: 'bundle', document: broken(der) } });
      expect(error.code).toBe('bootstrap-bundle-unusable');
      expect(error.message).toContain('entry 1 is ignored: ');
    });

    it('is refused where every entry is for another use, such as OIDC keys', async () => {
      const document = Buffer.from('{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB","use":"sig"}]}');
      const error = await refused({ ...overTheWeb(), bootstrap: { kind: 'bundle', document } });
      expect(error).toMatchObject({ code: 'bootstrap-bundle-unusable' });
      expect(error.message).toContain('entry 1 is ignored: ');
    });
  });

  it('refuses a certificate that is not a CA, as PEM and as an entry (TDB-28)', async () => {
    const { certificatePem } = await root.svid(endpointId);
    const error = await refused({ bootstrap: { kind: 'bundle', document: Buffer.from(certificatePem) } });
    expect(error).toMatchObject({ code: 'bootstrap-bundle-invalid', cause: { code: 'authority-not-a-ca' } });
  });

  it('tells of an expired root beside a good one', async () => {
    const { notes } = await world.federation.relationships.add(
      request({ bootstrap: { kind: 'bundle', document: document(root, expired) } }),
    );
    expect(notes.map(({ code }) => code)).toEqual(['root-outside-validity']);
  });
});

describe('Relationships.add() with a pin', () => {
  const pinned = (pin: string, rest: Partial<AddRequest> = {}) =>
    request({ bootstrap: { kind: 'pin', pin: parsePin(pin) }, ...rest });

  it('takes the bundle that the pin names, from an endpoint that this bundle proves', async () => {
    const pin = pinOfBundle(bundleOf(peerName, [root.x509]));
    const result = await world.federation.relationships.add(pinned(pin));
    expect(result.relationship).toMatchObject({
      state: 'active',
      bootstrap: { kind: 'bundle-pin', detail: pin },
    });
    expect(result).not.toHaveProperty('firstPoll');
    expect(world.trusted()).toEqual([root.x509.fingerprint]);
    expect(peer.requests).toHaveLength(1);
    expect((await world.store.history(peerName)).map(({ verdict }) => verdict)).toEqual(['bootstrap']);
  });

  it('takes the key of a root, which vouches for the rest through the endpoint', async () => {
    peer.answer = serve([root, next]);
    const result = await world.federation.relationships.add(pinned(pinOfKey(root.x509.keyFingerprint)));
    expect(result.relationship.bootstrap.kind).toBe('key-pin');
    expect(world.trusted()).toHaveLength(2);
  });

  it('does not let a stranger offer the pinned root beside its own and prove itself by its own', async () => {
    peer.become(await stranger.svid(endpointId));
    peer.answer = serve([root, stranger]);
    const error = await refused(pinned(pinOfKey(root.x509.keyFingerprint)));
    expect(error).toMatchObject({ code: 'bootstrap-fetch-failed', cause: { code: 'svid-refused' } });
  });

  it('does not take the pinned bundle from an endpoint that it does not prove', async () => {
    peer.become(await stranger.svid(endpointId));
    const error = await refused(pinned(pinOfBundle(bundleOf(peerName, [root.x509]))));
    expect(error).toMatchObject({ code: 'bootstrap-fetch-failed', cause: { code: 'svid-refused' } });
  });

  it('does not ask an endpoint of another ID', async () => {
    peer.become(await root.svid('spiffe://peer.example/other'));
    const error = await refused(pinned(pinOfBundle(bundleOf(peerName, [root.x509]))));
    expect(error.cause).toMatchObject({ code: 'endpoint-id-mismatch' });
    expect(peer.requests).toHaveLength(0);
  });

  it('refuses another bundle and says which pins it has', async () => {
    peer.answer = serve([root, next]);
    const error = await refused(pinned(pinOfBundle(bundleOf(peerName, [root.x509]))));
    expect(error.code).toBe('pin-mismatch');
    expect(error.message).toContain(pinOfBundle(bundleOf(peerName, [root.x509, next.x509])));
    expect(error.message).toContain(pinOfKey(next.x509.keyFingerprint));
  });

  it('asks for pin and Web PKI both over https_web', async () => {
    const overLocalhost = { profile: overWeb, endpointUrl: peer.url('/', 'localhost') };
    const bootstrap = {
      kind: 'pin',
      pin: pinOfBundle(bundleOf(peerName, [root.x509])),
      caPem: webCa.pem,
    } as const;
    expect((await refused({ ...overLocalhost, bootstrap })).cause).toMatchObject({
      code: 'web-certificate-refused',
    });
    peer.become(await webCa.web(['localhost']));
    const wrong = { ...bootstrap, pin: pinOfBundle(bundleOf(peerName, [next.x509])) };
    expect((await refused({ ...overLocalhost, bootstrap: wrong })).code).toBe('pin-mismatch');
    await world.federation.relationships.add(request({ ...overLocalhost, bootstrap }));
    expect(world.trusted()).toEqual([root.x509.fingerprint]);
  });
});

describe('Relationships.add() with Web PKI', () => {
  it('takes what an endpoint with a certificate of the private CA serves, and only of that CA (FED-05)', async () => {
    peer.become(await webCa.web(['localhost']));
    const web = { profile: overWeb, endpointUrl: peer.url('/', 'localhost') };
    expect((await refused({ ...web, bootstrap: { kind: 'web-pki' } })).code).toBe('bootstrap-fetch-failed');
    expect((await refused({ ...web, bootstrap: { kind: 'web-pki', caPem: stranger.pem } })).code).toBe(
      'bootstrap-fetch-failed',
    );
    const result = await world.federation.relationships.add(
      request({ ...web, bootstrap: { kind: 'web-pki', caPem: webCa.pem } }),
    );
    expect(result.relationship).toMatchObject({
      webPkiCaPem: webCa.pem,
      bootstrap: { kind: 'web-pki-private-ca' },
    });
    // The trust domain is the configured one, whatever the host is called (FED-06).
    expect(world.federation.bundles.list().map(({ trustDomain }) => trustDomain)).toEqual([peerName]);
    expect(await world.poll()).toBe('unchanged');
  });

  it('is not a proof for an https_spiffe endpoint: no silent trust on first use', async () => {
    expect((await refused({ bootstrap: { kind: 'web-pki' } })).code).toBe('bootstrap-required');
    expect(peer.connections).toBe(0);
  });

  it('refuses a first bundle without keys, and a document that is none', async () => {
    peer.become(await webCa.web(['localhost']));
    const web = { profile: overWeb, endpointUrl: peer.url('/', 'localhost') };
    const bootstrap = { kind: 'web-pki', caPem: webCa.pem } as const;
    peer.answer = serve([]);
    expect((await refused({ ...web, bootstrap })).code).toBe('bootstrap-bundle-unusable');
    peer.answer = answers.document('{}');
    expect((await refused({ ...web, bootstrap })).code).toBe('bootstrap-bundle-invalid');
  });
});

describe('Relationships.add() and what is there already', () => {
  it('refuses our own trust domain, and one that is there, also while it is being added (ID-22)', async () => {
    world.own = bundleOf(peerName, [root.x509]);
    expect((await refused({})).code).toBe('own-trust-domain');
    world.own = undefined;
    const [first, second] = await Promise.allSettled([
      world.federation.relationships.add(request({})),
      world.federation.relationships.add(request({})),
    ]);
    expect(first.status).toBe('fulfilled');
    expect(second).toMatchObject({ status: 'rejected', reason: { code: 'already-federated' } });
    expect((await refused({})).code).toBe('already-federated');
  });

  it('knows our own trust domain from the configuration before the mesh has told its bundle (ID-22)', async () => {
    await using young = await AgentWorld.start(now, { ownTrustDomain: peerName });
    await expect(young.federation.relationships.add(request({}))).rejects.toMatchObject({
      code: 'own-trust-domain',
    });
    expect(await young.store.relationships()).toEqual([]);
  });

  it.each([
    ['http', 'http://peer.example/'],
    ['user information', 'https://user:secret@peer.example/'],
    ['no URL at all', 'peer.example'],
  ])('refuses an endpoint URL with %s (FED-08)', async (_what, endpointUrl) => {
    expect((await refused({ endpointUrl })).code).toBe('relationship-invalid');
  });

  it('refuses a private CA that is not PEM, or that nothing would use', async () => {
    const web = { profile: overWeb, endpointUrl: peer.url('/', 'localhost') };
    expect((await refused({ ...web, bootstrap: { kind: 'web-pki', caPem: 'hello' } })).code).toBe(
      'relationship-invalid',
    );
    const bootstrap = { kind: 'bundle', document: document(root), caPem: webCa.pem } as const;
    expect((await refused({ bootstrap })).code).toBe('relationship-invalid');
  });

  it('refuses our own root and a root of another trust domain, unless forced on record (invariant 4)', async () => {
    world.own = bundleOf(parseTrustDomain('own.example'), [next.x509]);
    const bootstrap = { kind: 'bundle', document: document(root, next) } as const;
    expect((await refused({ bootstrap })).code).toBe('own-root-offered');
    world.own = undefined;
    await world.federation.relationships.add(
      request({
        trustDomain: parseTrustDomain('other.example'),
        bootstrap: { kind: 'bundle', document: document(next) },
        profile: { kind: 'https_spiffe', endpointId: parseSpiffeId('spiffe://other.example/e') },
      }),
    );
    expect((await refused({ bootstrap })).code).toBe('root-of-another-trust-domain');
    await world.federation.relationships.add(request({ bootstrap, force: true }));
    const [event] = (await world.store.events({ trustDomain: peerName })).filter(
      ({ kind }) => kind === 'relationship-added',
    );
    expect(event?.code).toBe('root-of-another-trust-domain');
  });

  it('refuses a mistyped trust domain, whose root names another one, unless that is meant, on record', async () => {
    const ca = await createTestCa({
      trustDomain: 'peer-two.example',
      notBefore: new Date(now.getTime() - 1000),
    });
    const file = Buffer.from(serializeBundle(bundleOf(peerName, [ca.authority])));
    const bootstrap = { kind: 'bundle', document: file } as const;
    expect(await refused({ bootstrap })).toMatchObject({
      code: 'root-names-another-trust-domain',
      message: expect.stringContaining('peer-two.example'),
    });
    expect(world.federation.peers.status()).toEqual([]);
    await world.federation.relationships.add(request({ bootstrap, force: true }));
    const [event] = (await world.store.events({ trustDomain: peerName })).filter(
      ({ kind }) => kind === 'relationship-added',
    );
    expect(event?.code).toBe('root-names-another-trust-domain');
  });

  it('refuses an endpoint in a trust domain whose bundle is not held (FED-31)', async () => {
    const profile = {
      kind: 'https_spiffe',
      endpointId: parseSpiffeId('spiffe://unknown.example/e'),
    } as const;
    expect((await refused({ profile })).code).toBe('endpoint-trust-domain-unknown');
  });

  it('refuses a circle of servings, and warns of a long chain (FED-33)', async () => {
    const [a, b, c] = ['a.example', 'b.example', 'c.example'].map(parseTrustDomain) as [never, never, never];
    const servedBy = (name: string) =>
      ({ kind: 'https_spiffe', endpointId: parseSpiffeId(`spiffe://${name}/e`) }) as const;
    const add = (trustDomain: never, by: string, authority: Authority) =>
      world.federation.relationships.add(
        request({
          trustDomain,
          profile: servedBy(by),
          bootstrap: { kind: 'bundle', document: document(authority) },
        }),
      );
    await add(a, a, root);
    expect((await add(b, a, next)).notes).toEqual([]);
    const { notes } = await add(c, b, stranger);
    expect(notes.map(({ code }) => code)).toEqual(['long-serving-chain']);
    await world.federation.relationships.remove(a, { actor: 'operator:1000', reason: 'test' });
    expect((await refused({ trustDomain: a, profile: servedBy(c) })).code).toBe('serving-cycle');
  });

  it('refuses before the agent runs', async () => {
    await using other = await AgentWorld.create(now);
    await expect(other.federation.relationships.add(addWithBundle(peer, [root]))).rejects.toMatchObject({
      code: 'not-started',
    });
  });
});
