import { describe, expect, it } from 'vitest';
import { parseInvitation } from '../../src/invitation/line.ts';
import { bundleOf } from '../../src/spiffe/index.ts';
import { svidFromPem } from '../../src/mtls/index.ts';
import { createTestCa } from '../../testkit/test-ca.ts';
import { until } from '../../testkit/until.ts';
import { FakeProxy } from '../../testkit/fake-proxy.ts';
import { Interceptor } from '../../testkit/interceptor.ts';
import { InvitationSide, strangersCertificate, VALID } from './world.ts';

describe('an invitation', () => {
  it.each([
    ['https_spiffe', 'https_spiffe'],
    ['https_web', 'https_spiffe'],
    ['https_spiffe', 'https_web'],
    ['https_web', 'https_web'],
  ] as const)('from an %s agent to an %s one sets up both directions by one line', async (ofInviter, ofNewcomer) => {
    await using a = await InvitationSide.start('a.example', { profile: ofInviter });
    await using b = await InvitationSide.start('b.example', { profile: ofNewcomer });
    const line = await a.give();
    expect(await b.take(line)).toBe('completed');
    expect(a.federated()).toEqual(['b.example active invitation']);
    expect(b.federated()).toEqual(['a.example active invitation']);
    expect(a.federation.bundles.bundleFor(b.ca.trustDomain)?.x509Authorities).toEqual([b.ca.authority]);
    expect(b.federation.bundles.bundleFor(a.ca.trustDomain)?.x509Authorities).toEqual([a.ca.authority]);
    const [given] = await a.invitations.desk.list();
    const [taken] = await b.invitations.desk.list();
    expect(given?.words).toMatch(/^([a-z]+ ){3}[a-z]+$/);
    expect([given?.words, given?.state]).toEqual([taken?.words, 'completed']);
    const [inA] = a.federation.peers.status();
    const [inB] = b.federation.peers.status();
    expect([inA?.agentId, inB?.agentId]).toEqual([b.svid?.id, a.svid?.id]);
    expect(inA?.bootstrap.detail).toBe(`invitation ${given?.id}, words: ${given?.words}`);
    expect(inA?.policy ?? 'ask-on-dangerous').toBe('ask-on-dangerous');
    expect(await a.story()).toEqual(['given']);
    expect(await b.story()).toEqual(['taken']);
  });

  it('outlives a rotation to a root that was published when it was given, and to none that was not', async () => {
    await using a = await InvitationSide.start('a.example', { profile: 'https_web' });
    await using b = await InvitationSide.start('b.example');
    const next = await createTestCa({ trustDomain: 'a.example', subject: 'CN=Next', ...VALID });
    const renew = async () => {
      const { certPem, keyPem } = await next.issueLeaf({ path: '/federate', ...VALID });
      a.svid = svidFromPem(certPem, keyPem);
    };
    const publish = (...cas: readonly (typeof next)[]) => {
      a.own = bundleOf(
        next.trustDomain,
        cas.map(({ authority }) => authority),
        { sequence: (a.own.sequence ?? 0n) + 1n, refreshHintSeconds: 300 },
      );
      a.endpoint.publish(a.own);
    };
    const before = await a.give();
    publish(a.ca, next);
    const between = await a.give();
    await renew();
    expect(await b.take(before)).toBe('inviter-unproved');
    expect([a.federated(), b.federated()]).toEqual([[], []]);
    publish(next);
    expect(await b.take(between)).toBe('completed');
    expect(b.federated()).toEqual(['a.example active invitation']);
  });

  it('needs an SVID under our own roots on both sides, and says which is missing', async () => {
    await using a = await InvitationSide.start('a.example');
    await using b = await InvitationSide.start('b.example');
    const line = await a.give();
    const ofB = b.svid;
    const stranger = await createTestCa({ trustDomain: 'b.example', ...VALID });
    const { certPem, keyPem } = await stranger.issueLeaf({ path: '/federate', ...VALID });
    b.svid = svidFromPem(certPem, keyPem);
    expect(await b.take(line)).toBe('identity-unusable');
    b.svid = undefined;
    expect(await b.take(line)).toBe('identity-missing');
    await expect(b.give()).rejects.toMatchObject({ code: 'identity-missing' });
    b.svid = ofB;
    expect(await b.take(line)).toBe('completed');
  });

  it('is given for 30 seconds to 7 days, a hundred at a time, and not for ourselves or a peer', async () => {
    await using a = await InvitationSide.start('a.example');
    await using b = await InvitationSide.start('b.example');
    for (const expiresInSeconds of [0, 29, 7 * 86_400 + 1, Number.NaN, -5])
      await expect(a.give({ expiresInSeconds })).rejects.toMatchObject({ code: 'invitation-expiry-invalid' });
    await expect(a.give({ peer: a.ca.trustDomain })).rejects.toMatchObject({ code: 'invitation-own' });
    for (let count = 0; count < 100; count += 1) await a.give({ expiresInSeconds: 30 });
    await expect(a.give()).rejects.toMatchObject({ code: 'too-many-invitations' });
    await a.clock.advance(31_000);
    await b.clock.advance(31_000);
    expect(await b.take(await a.give())).toBe('completed');
  });

  it.each([
    'newcomer',
    'inviter',
  ] as const)('renews a relationship that one side has lost, as %s, without a removal on the other side', async (role) => {
    await using a = await InvitationSide.start('a.example');
    await using b = await InvitationSide.start('b.example');
    expect(await b.take(await a.give())).toBe('completed');
    // What an agent without its store knows of its peers.
    const word = { actor: 'operator:bob', reason: 'the disk was lost' };
    await b.federation.relationships.remove(a.ca.trustDomain, word);
    const kept = a.federation.bundles.bundleFor(b.ca.trustDomain);
    const outcome =
      role === 'newcomer'
        ? await b.take(await a.give({ peer: b.ca.trustDomain }))
        : await a.take(await b.give());
    expect(outcome).toBe('completed');
    expect(a.federated()).toEqual(['b.example active invitation']);
    expect(b.federated()).toEqual(['a.example active invitation']);
    expect(a.federation.bundles.bundleFor(b.ca.trustDomain)).toEqual(kept);
    const [event] = (await a.store.events({ trustDomain: b.ca.trustDomain })).filter(
      ({ kind }) => kind === 'relationship-changed',
    );
    expect(event?.message).toContain('renewed by invitation ');
  });

  it('renews a relationship whose peer has moved and has another root', async () => {
    await using a = await InvitationSide.start('a.example');
    await using b = await InvitationSide.start('b.example');
    expect(await b.take(await a.give())).toBe('completed');
    await b.federation.relationships.remove(a.ca.trustDomain, {
      actor: 'operator:bob',
      reason: 'the disk was lost',
    });
    const next = await createTestCa({ trustDomain: 'b.example', ...VALID });
    b.own = bundleOf(b.ca.trustDomain, [b.ca.authority, next.authority], {
      sequence: 2n,
      refreshHintSeconds: 300,
    });
    b.endpoint.publish(b.own);
    expect(await b.take(await a.give())).toBe('completed');
    expect(a.federation.bundles.bundleFor(b.ca.trustDomain)?.x509Authorities).toHaveLength(2);
  });

  it('renews by approval: nothing changes before the operator confirms', async () => {
    await using a = await InvitationSide.start('a.example');
    await using b = await InvitationSide.start('b.example');
    expect(await b.take(await a.give())).toBe('completed');
    await b.federation.relationships.remove(a.ca.trustDomain, {
      actor: 'operator:bob',
      reason: 'the disk was lost',
    });
    for (const { clock } of [a, b]) await clock.advance(1000);
    expect(await b.take(await a.give({ requireApproval: true }))).toBe('awaiting-approval');
    expect(b.federated()).toEqual([]);
    const waiting = (await a.invitations.desk.list()).find(({ state }) => state === 'awaiting-approval');
    await a.invitations.desk.approve(waiting?.id ?? '', 'operator:ann');
    await b.until('newcomer completed', a);
    // The first poll may still be under way.
    const active = () => b.federated().join() === 'a.example active invitation';
    await until(active, 'the relationship to be active');
  });

  it('is gone through by way of HTTP proxies, which both sides may have', async () => {
    const identity = await strangersCertificate();
    await using beforeA = await Interceptor.start(identity);
    await using beforeB = await Interceptor.start(identity);
    await using proxyOfA = await FakeProxy.start();
    await using proxyOfB = await FakeProxy.start();
    const at = (name: string, { url }: Interceptor) =>
      `https://${name}.nowhere.example:${new URL(url).port}/`;
    const [urlOfA, urlOfB] = [at('a', beforeA), at('b', beforeB)];
    await using a = await InvitationSide.start('a.example', {
      url: urlOfA,
      parts: { proxy: proxyOfA.route() },
    });
    await using b = await InvitationSide.start('b.example', {
      url: urlOfB,
      parts: { proxy: proxyOfB.route() },
    });
    beforeA.target = a.port;
    beforeB.target = b.port;
    expect(await b.take(await a.give())).toBe('completed');
    const asked = ({ seen }: FakeProxy) => new Set(seen.map(({ target }) => `https://${target}/`));
    expect([asked(proxyOfA), asked(proxyOfB)]).toEqual([new Set([urlOfB]), new Set([urlOfA])]);
  });

  it('leaves a secret nowhere: not in the store, not in the log', async () => {
    await using a = await InvitationSide.start('a.example');
    await using b = await InvitationSide.start('b.example');
    const line = await a.give();
    const secret = parseInvitation(line).secret;
    await b.take(line);
    for (const side of [a, b]) {
      const kept = JSON.stringify(
        [await side.store.invitations(), await side.store.events({ limit: 1000 }), side.log.records],
        (_, value: unknown) => (typeof value === 'bigint' ? value.toString() : value),
      );
      expect(kept).toContain(parseInvitation(line).id);
      for (const form of ['hex', 'base64', 'base64url'] as const)
        expect(kept).not.toContain(Buffer.from(secret).toString(form));
      expect(kept).not.toContain(line.slice(20, 60));
    }
  });
});
