import { connect } from 'node:net';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { parseInvitation, serializeInvitation } from '../../src/invitation/line.ts';
import { createForbiddenRanges } from '../../src/federation/index.ts';
import { bundleOf } from '../../src/spiffe/index.ts';
import { Interceptor, type Passing } from '../../testkit/interceptor.ts';
import { createTestCa } from '../../testkit/test-ca.ts';
import { InvitationSide, type SideOptions, strangersCertificate } from './world.ts';

/** An inviter and a newcomer, with somebody at the address of each. */
async function startWatched(ofA: SideOptions = {}, ofB: SideOptions = {}) {
  const identity = await strangersCertificate();
  const beforeA = await Interceptor.start(identity);
  const beforeB = await Interceptor.start(identity);
  const a = await InvitationSide.start('a.example', { url: beforeA.url, ...ofA });
  const b = await InvitationSide.start('b.example', { url: beforeB.url, ...ofB });
  beforeA.target = a.port;
  beforeB.target = b.port;
  return {
    a,
    b,
    beforeA,
    beforeB,
    [Symbol.asyncDispose]: async () => {
      for (const each of [a, b, beforeA, beforeB]) await each[Symbol.asyncDispose]();
    },
  };
}

/** No side trusts the other. */
function nothingTrusted(...sides: readonly InvitationSide[]): void {
  for (const side of sides) expect([side.name, side.federated()]).toEqual([side.name, []]);
}

const idOf = (line: string) => parseInvitation(line).id;
const withSecret = (line: string, byte: number) =>
  serializeInvitation({ ...parseInvitation(line), secret: new Uint8Array(16).fill(byte) });
/** Changes one member of the statement that an answer to `hello` carries. */
const changingStatement =
  (change: (statement: Record<string, unknown>) => Record<string, unknown>) =>
  (passing: Passing): Passing => {
    if (!passing.path.endsWith('/hello')) return passing;
    const whole = JSON.parse(passing.body) as { statement: string };
    const changed = JSON.stringify(change(JSON.parse(whole.statement) as Record<string, unknown>));
    return { ...passing, body: JSON.stringify({ ...whole, statement: changed }) };
  };

describe('an invitation, with a man in the middle of every hop', () => {
  it('passes untouched over a way that only passes bytes on', async () => {
    await using w = await startWatched();
    expect(await w.b.take(await w.a.give())).toBe('completed');
    expect([w.a.federated(), w.b.federated()]).toEqual([
      ['b.example active invitation'],
      ['a.example active invitation'],
    ]);
  });

  it('refuses who ends TLS before an https_spiffe inviter, before anything of the newcomer is said', async () => {
    await using w = await startWatched();
    w.beforeA.mode = 'terminate';
    const line = await w.a.give();
    expect(await w.b.take(line)).toBe('inviter-unproved');
    expect(w.beforeA.seen.map(({ path }) => path.split('/').at(-1))).toEqual(['hello']);
    nothingTrusted(w.a, w.b);
    // The line is still good, over an honest way.
    w.beforeA.mode = 'pass';
    expect(await w.b.take(line)).toBe('completed');
  });

  it('refuses who ends TLS before an https_web inviter and relays every word: the signatures are for another connection', async () => {
    await using w = await startWatched({ profile: 'https_web' });
    w.beforeA.mode = 'terminate';
    const line = await w.a.give();
    expect(await w.b.take(line)).toBe('inviter-unproved');
    expect(w.beforeA.seen.map(({ path }) => path.split('/').at(-1))).toEqual(['hello']);
    nothingTrusted(w.a, w.b);
    expect([await w.a.story(), await w.a.newest()]).toEqual([['given'], 'inviter open']);
    w.beforeA.mode = 'pass';
    expect(await w.b.take(line)).toBe('completed');
  });

  it('refuses who ends TLS at the newcomer’s endpoint: what is fetched there is not from the newcomer', async () => {
    await using w = await startWatched();
    w.beforeB.mode = 'terminate';
    expect(await w.b.take(await w.a.give())).toBe('invitation-declined');
    nothingTrusted(w.a, w.b);
    expect(await w.a.story()).toEqual(['given', 'refused newcomer-unreachable']);
  });

  it('refuses a replay of everything a newcomer once said', async () => {
    await using w = await startWatched();
    // Even if somebody at the inviter's own machine had taken it down, and nobody else had got it.
    const taken: { path: string; body: string }[] = [];
    w.a.endpoint.extend({
      accept: (request) => {
        const plan = w.a.invitations.reception.accept(request);
        const answer = async (body: Uint8Array) => {
          taken.push({ path: request.path, body: Buffer.from(body).toString('utf8') });
          return request.path.endsWith('/redeem') ? undefined : plan?.answer(body);
        };
        return plan && { ...plan, answer };
      },
    });
    const line = await w.a.give();
    expect(await w.b.take(line)).toBe('invitation-refused');
    w.a.endpoint.extend(w.a.invitations.reception);
    const [hello = { path: '', body: '' }, redeem = { path: '', body: '' }] = taken;
    const own = connect(w.a.port, '127.0.0.1');
    await once(own, 'connect');
    expect(await w.beforeA.say(own, hello.path, hello.body)).toMatchObject({ status: 200 });
    expect(await w.beforeA.say(own, redeem.path, redeem.body)).toMatchObject({ status: 404 });
    // Nor without a greeting.
    expect(await w.beforeA.say(own, redeem.path, redeem.body)).toMatchObject({ status: 404 });
    own.destroy();
    nothingTrusted(w.a, w.b);
    expect(await w.a.story()).toEqual(['given', 'refused newcomer-unproved']);
    expect(await w.b.take(line)).toBe('completed');
  });

  it('refuses a bundle that was swapped on its way: other roots, or one more beside the pinned', async () => {
    await using w = await startWatched({ profile: 'https_web' });
    await using stranger = await InvitationSide.start('a.example');
    w.beforeA.mode = 'terminate';
    const line = await w.a.give();
    const bundleOfStranger = async () => {
      const hello = JSON.stringify({ commitment: '0'.repeat(64), trust_domain: 'b.example' });
      const own = connect(stranger.port, '127.0.0.1');
      await once(own, 'connect');
      w.beforeA.target = stranger.port;
      const id = idOf(await stranger.give());
      const answer = await w.beforeA.say(own, `/federate/invitations/${id}/hello`, hello);
      w.beforeA.target = w.a.port;
      own.destroy();
      return JSON.parse((JSON.parse(answer.body) as { statement: string }).statement).bundle as string;
    };
    const theirs = await bundleOfStranger();
    w.beforeA.onAnswer = changingStatement((terms) => ({ ...terms, bundle: theirs }));
    expect(await w.b.take(line)).toBe('inviter-unproved');
    w.beforeA.onAnswer = changingStatement((terms) => {
      const [mine, more] = [JSON.parse(String(terms['bundle'])), JSON.parse(theirs)] as { keys: unknown[] }[];
      return {
        ...terms,
        bundle: JSON.stringify({ ...mine, keys: [...(mine?.keys ?? []), ...(more?.keys ?? [])] }),
      };
    });
    expect(await w.b.take(line)).toBe('inviter-unproved');
    nothingTrusted(w.a, w.b);
  });

  it('refuses a newcomer whose endpoint serves another bundle than it told', async () => {
    await using w = await startWatched();
    const more = await createTestCa({ trustDomain: 'b.example' });
    w.b.endpoint.publish({ ...w.b.own, x509Authorities: [w.b.ca.authority, more.authority] });
    const line = await w.a.give();
    expect(await w.b.take(line)).toBe('invitation-declined');
    expect(await w.a.story()).toEqual(['given', 'refused newcomer-endpoint-differs']);
    nothingTrusted(w.a, w.b);
    w.b.endpoint.publish(w.b.own);
    expect(await w.b.take(line)).toBe('completed');
  });

  it.each([
    ['profile', 'https_spiffe'],
    ['endpoint_urls', ['https://localhost:1/']],
    ['agent_id', 'spiffe://a.example/other'],
    ['trust_domain', 'c.example'],
  ])('refuses an answer whose %s is another one than that of the line', async (name, value) => {
    await using w = await startWatched({ profile: 'https_web' });
    w.beforeA.mode = 'terminate';
    w.beforeA.onAnswer = changingStatement((terms) => ({ ...terms, [name]: value }));
    expect(await w.b.take(await w.a.give())).toMatch(/^(inviter-unproved|invitation-message-invalid)$/);
    expect(w.beforeA.seen).toHaveLength(1);
    nothingTrusted(w.a, w.b);
  });

  it('refuses a line that leads to another endpoint, and a newcomer whose address is another one’s', async () => {
    await using c = await InvitationSide.start('c.example');
    await using w = await startWatched({}, { url: c.url });
    await c.give();
    w.beforeA.target = c.port;
    const line = await w.a.give();
    expect(await w.b.take(line)).toBe('invitation-refused');
    w.beforeA.target = w.a.port;
    expect(await w.b.take(line)).toBe('invitation-declined');
    expect(await w.a.story()).toEqual(['given', 'refused newcomer-unreachable']);
    nothingTrusted(w.a, w.b, c);
  });
});

describe('an invitation whose line is in the wrong hands', () => {
  it('that a thief used first lets nobody else in, and tells both sides', async () => {
    await using a = await InvitationSide.start('a.example');
    await using b = await InvitationSide.start('b.example');
    await using thief = await InvitationSide.start('thief.example');
    const line = await a.give();
    expect(await thief.take(line)).toBe('completed');
    expect(await b.take(line)).toBe('invitation-refused');
    expect(await a.story()).toEqual(['given', 'refused invitation-reused']);
    nothingTrusted(b);
    expect(a.federated()).toEqual(['thief.example active invitation']);
  });

  it('for a named peer lets no other trust domain in, and stays good for that peer', async () => {
    await using a = await InvitationSide.start('a.example');
    await using b = await InvitationSide.start('b.example');
    await using thief = await InvitationSide.start('thief.example');
    const line = await a.give({ peer: b.ca.trustDomain });
    expect(await thief.take(line)).toBe('invitation-for-another');
    // A thief who has no scruples leaves the peer out of the line; the inviter does not forget it.
    const { expectedPeer: _, ...rest } = parseInvitation(line);
    expect(await thief.take(serializeInvitation(rest))).toBe('invitation-declined');
    nothingTrusted(a, thief);
    expect(await b.take(line)).toBe('completed');
  });

  it('that waits for approval trusts no thief, whose words are others than the peer’s', async () => {
    await using a = await InvitationSide.start('a.example');
    await using thief = await InvitationSide.start('b.example');
    const line = await a.give({ requireApproval: true });
    expect(await thief.take(line)).toBe('awaiting-approval');
    nothingTrusted(a, thief);
    const [waiting] = await a.invitations.desk.list();
    const [taken] = await thief.invitations.desk.list();
    expect(waiting?.words).toBe(taken?.words);
    await expect(a.invitations.desk.approve('acorn acorn acorn acorn', 'operator:ann')).rejects.toMatchObject(
      {
        code: 'no-such-invitation',
      },
    );
    await a.invitations.desk.cancel(idOf(line), 'operator:ann');
    await thief.until('newcomer failed invitation-declined');
    nothingTrusted(a, thief);
  });

  it('that was replaced on its way shows other words on both sides', async () => {
    await using a = await InvitationSide.start('a.example');
    await using b = await InvitationSide.start('b.example');
    // Somebody who can change messages is "a.example" to one side and "b.example" to the other.
    await using asA = await InvitationSide.start('a.example');
    await using asB = await InvitationSide.start('b.example');
    expect(await asB.take(await a.give({ peer: b.ca.trustDomain, requireApproval: true }))).toBe(
      'awaiting-approval',
    );
    expect(await b.take(await asA.give())).toBe('completed');
    const [[seenByA], [seenByB]] = await Promise.all([a.invitations.desk.list(), b.invitations.desk.list()]);
    expect(seenByB?.words).toMatch(/^([a-z]+ ){3}[a-z]+$/);
    expect(seenByA?.words).not.toBe(seenByB?.words);
    await expect(a.invitations.desk.approve(seenByB?.words ?? '', 'operator:ann')).rejects.toMatchObject({
      code: 'no-such-invitation',
    });
    nothingTrusted(a);
  });

  it('after it was used is good for nothing, and each use is on record, at most one a minute', async () => {
    await using a = await InvitationSide.start('a.example');
    await using b = await InvitationSide.start('b.example');
    await using thief = await InvitationSide.start('thief.example');
    const line = await a.give();
    expect(await b.take(line)).toBe('completed');
    for (let times = 0; times < 5; times += 1) expect(await thief.take(line)).toBe('invitation-refused');
    expect(await a.story()).toEqual(['given', 'refused invitation-reused']);
    await a.clock.advance(61_000);
    expect(await thief.take(line)).toBe('invitation-refused');
    expect(await a.story()).toEqual(['given', 'refused invitation-reused', 'refused invitation-reused']);
    expect(a.federated()).toEqual(['b.example active invitation']);
    nothingTrusted(thief);
  });

  it('with a guessed secret is refused, and burned by the third guess', async () => {
    await using a = await InvitationSide.start('a.example');
    await using b = await InvitationSide.start('b.example');
    const line = await a.give();
    for (const guess of [1, 2, 3]) expect(await b.take(withSecret(line, guess))).toBe('invitation-refused');
    expect(await a.newest()).toBe('inviter burned too-many-tries');
    expect(await a.story()).toEqual([
      'given',
      'refused newcomer-unproved',
      'refused newcomer-unproved',
      'ended newcomer-unproved',
    ]);
    expect(await b.take(line)).toBe('invitation-refused');
    nothingTrusted(a, b);
  });

  it('is used once by the fastest of many at the same time', async () => {
    await using a = await InvitationSide.start('a.example');
    await using b = await InvitationSide.start('b.example');
    await using c = await InvitationSide.start('c.example');
    const line = await a.give();
    const outcomes = await Promise.all([b.take(line), c.take(line)]);
    expect(outcomes.filter((outcome) => outcome === 'completed')).toHaveLength(1);
    expect(a.federated()).toHaveLength(1);
  });
});

describe('an invitation that goes astray', () => {
  it('is over when its time is: for the inviter to the second, whatever the newcomer’s clock says', async () => {
    await using a = await InvitationSide.start('a.example');
    await using b = await InvitationSide.start('b.example');
    const [line, other] = [await a.give({ expiresInSeconds: 60 }), await a.give({ expiresInSeconds: 120 })];
    await a.clock.advance(61_000);
    expect(await b.take(line)).toBe('invitation-refused');
    await a.invitations.desk.list();
    expect(await a.story()).toContain('ended invitation-expired');
    await b.clock.advance(600_000);
    expect(await b.take(other)).toBe('invitation-expired');
    nothingTrusted(a, b);
  });

  it.each([
    -120_000, 120_000,
  ])('is not gone through with while the clocks are %d ms apart, and is then still good', async (clockOffsetMs) => {
    await using a = await InvitationSide.start('a.example');
    await using b = await InvitationSide.start('b.example', { clockOffsetMs });
    const line = await a.give();
    expect(await b.take(line)).toBe('clocks-differ');
    nothingTrusted(a, b);
    await (clockOffsetMs < 0 ? b : a).clock.advance(Math.abs(clockOffsetMs));
    expect(await b.take(line)).toBe('completed');
  });

  it('is refused by the agent that gave it, and by one that has used it', async () => {
    await using a = await InvitationSide.start('a.example');
    await using b = await InvitationSide.start('b.example');
    expect(await a.take(await a.give())).toBe('invitation-own');
    const line = await a.give();
    expect(await b.take(line)).toBe('completed');
    expect(await b.take(line)).toBe('already-federated');
    await b.federation.relationships.remove(a.ca.trustDomain, { actor: 'operator:bob', reason: 'test' });
    expect(await b.take(line)).toBe('invitation-not-open');
    expect(a.federated()).toEqual(['b.example active invitation']);
  });

  it.each([
    'newcomer',
    'inviter',
  ] as const)('does not give a relationship to a holder of the line alone, and tells the roots of the peer next to their own: %s', async (role) => {
    await using a = await InvitationSide.start('a.example');
    await using b = await InvitationSide.start('b.example');
    expect(await b.take(await a.give())).toBe('completed');
    const before = a.federation.bundles.bundleFor(b.ca.trustDomain);
    await using thief = await InvitationSide.start('b.example');
    // A root that counts here already, so that the two seem to overlap.
    thief.own = bundleOf(b.ca.trustDomain, [b.ca.authority, thief.ca.authority], {
      sequence: 9n,
      refreshHintSeconds: 300,
    });
    thief.endpoint.publish(thief.own);
    const outcome = role === 'newcomer' ? await thief.take(await a.give()) : await a.take(await thief.give());
    expect(outcome).toBe(role === 'newcomer' ? 'invitation-declined' : 'inviter-unproved');
    // Roots of their own only.
    thief.own = bundleOf(b.ca.trustDomain, [thief.ca.authority], { sequence: 9n, refreshHintSeconds: 300 });
    thief.endpoint.publish(thief.own);
    const again = role === 'newcomer' ? await thief.take(await a.give()) : await a.take(await thief.give());
    expect(again).toBe(role === 'newcomer' ? 'invitation-declined' : 'already-federated');
    expect(a.federation.bundles.bundleFor(b.ca.trustDomain)).toEqual(before);
    expect(a.federation.peers.find(b.ca.trustDomain)?.relationship.endpointUrl).toBe(b.url);
  });

  it.each([
    'newcomer',
    'inviter',
  ] as const)('does not renew a relationship under a root that was added over the endpoint a moment ago: %s', async (role) => {
    await using a = await InvitationSide.start('a.example');
    await using b = await InvitationSide.start('b.example', { profile: 'https_web' });
    expect(await b.take(await a.give())).toBe('completed');
    await using thief = await InvitationSide.start('b.example');
    const both = bundleOf(b.ca.trustDomain, [b.ca.authority, thief.ca.authority], {
      sequence: 2n,
      refreshHintSeconds: 300,
    });
    thief.own = both;
    for (const { endpoint } of [b, thief]) endpoint.publish(both);
    await a.federation.peers.poll(b.ca.trustDomain);
    expect(a.federation.bundles.bundleFor(b.ca.trustDomain)?.x509Authorities).toHaveLength(2);
    const attack = async () =>
      role === 'newcomer' ? thief.take(await a.give()) : a.take(await thief.give());
    const almostADay = 24 * 3_600_000 - 1000;
    for (const waitMs of [0, almostADay]) {
      for (const { clock } of [a, thief]) await clock.advance(waitMs);
      expect(await attack()).toBe(role === 'newcomer' ? 'invitation-declined' : 'inviter-unproved');
      expect(a.federation.peers.find(b.ca.trustDomain)?.relationship.endpointUrl).toBe(b.url);
    }
  });

  it('renews a relationship under a root that was added by polls, once it has been held for the lead time', async () => {
    await using a = await InvitationSide.start('a.example');
    await using b = await InvitationSide.start('b.example', { profile: 'https_web' });
    expect(await b.take(await a.give())).toBe('completed');
    await using moved = await InvitationSide.start('b.example');
    const both = bundleOf(b.ca.trustDomain, [b.ca.authority, moved.ca.authority], {
      sequence: 2n,
      refreshHintSeconds: 300,
    });
    moved.own = both;
    for (const { endpoint } of [b, moved]) endpoint.publish(both);
    await a.federation.peers.poll(b.ca.trustDomain);
    for (const { clock } of [a, moved]) await clock.advance(24 * 3_600_000);
    expect(await moved.take(await a.give())).toBe('completed');
    expect(a.federation.peers.find(b.ca.trustDomain)?.relationship.endpointUrl).toBe(moved.url);
  });

  it('is not approved when the roots that it was proved by were revoked meanwhile', async () => {
    await using a = await InvitationSide.start('a.example');
    await using b = await InvitationSide.start('b.example', { profile: 'https_web' });
    expect(await b.take(await a.give())).toBe('completed');
    await b.federation.relationships.remove(a.ca.trustDomain, {
      actor: 'operator:bob',
      reason: 'the disk was lost',
    });
    expect(await b.take(await a.give({ requireApproval: true }))).toBe('awaiting-approval');
    b.endpoint.publish(bundleOf(b.ca.trustDomain, [], { sequence: 2n, refreshHintSeconds: 300 }));
    await a.federation.peers.poll(b.ca.trustDomain);
    const waiting = (await a.invitations.desk.list()).find(({ state }) => state === 'awaiting-approval');
    await expect(a.invitations.desk.approve(waiting?.id ?? '', 'operator:ann')).rejects.toMatchObject({
      code: 'already-federated',
    });
  });

  it('is not proved by a key that the operator distrusts', async () => {
    await using a = await InvitationSide.start('a.example');
    await using b = await InvitationSide.start('b.example');
    expect(await b.take(await a.give())).toBe('completed');
    const decision = { actor: 'operator:ann', reason: 'stolen' };
    const { keyFingerprint } = b.ca.authority;
    await a.federation.distrusts.distrust(b.ca.trustDomain, keyFingerprint, decision);
    await a.federation.relationships.remove(b.ca.trustDomain, decision);
    await b.federation.relationships.remove(a.ca.trustDomain, decision);
    expect(await b.take(await a.give())).toBe('invitation-declined');
    expect(await a.story()).toContain('refused newcomer-unproved');
    nothingTrusted(a, b);
  });

  it('is refused by a newcomer that would not trust the inviter’s roots before the inviter trusts any peer', async () => {
    await using a = await InvitationSide.start('a.example', { profile: 'https_web' });
    await using b = await InvitationSide.start('b.example');
    a.own = { ...a.own, x509Authorities: [...a.own.x509Authorities, b.ca.authority] };
    a.endpoint.publish(a.own);
    expect(await b.take(await a.give())).toBe('own-root-offered');
    nothingTrusted(a, b);
    expect(await a.newest()).toBe('inviter open');
  });

  it('brings the inviter no root of another trust domain', async () => {
    await using a = await InvitationSide.start('a.example');
    await using b = await InvitationSide.start('b.example', { profile: 'https_web' });
    await using c = await InvitationSide.start('c.example');
    expect(await c.take(await a.give())).toBe('completed');
    b.own = { ...b.own, x509Authorities: [...b.own.x509Authorities, c.ca.authority] };
    b.endpoint.publish(b.own);
    expect(await b.take(await a.give())).toBe('invitation-declined');
    expect(await a.story()).toContain('refused root-of-another-trust-domain');
    expect(a.federated()).toEqual(['c.example active invitation']);
    nothingTrusted(b);
  });

  it('federates once when both sides invite each other at the same time', async () => {
    await using a = await InvitationSide.start('a.example');
    await using b = await InvitationSide.start('b.example');
    const [ofA, ofB] = await Promise.all([a.give(), b.give()]);
    const outcomes = await Promise.all([b.take(ofA), a.take(ofB)]);
    expect(outcomes).toContain('completed');
    expect([a.federated(), b.federated()]).toEqual([
      ['b.example active invitation'],
      ['a.example active invitation'],
    ]);
  });

  it.each([
    ['a metadata service', 'https://169.254.169.254/', {}],
    ['a range the operator forbids', undefined, { guard: createForbiddenRanges(['127.0.0.0/8', '::1/128']) }],
  ])('leads the inviter not to %s that a newcomer names', async (_what, named, parts) => {
    await using a = await InvitationSide.start('a.example', { parts });
    // It says another address than its own.
    const url = new URL('https://localhost/');
    if (named !== undefined) Object.defineProperty(url, 'href', { value: named });
    const lying = named === undefined ? {} : { endpoint: { url, profile: 'https_spiffe' as const } };
    await using b = await InvitationSide.start('b.example', { parts: lying });
    expect(await b.take(await a.give())).toBe('invitation-declined');
    expect(await a.story()).toEqual(['given', 'refused invitation-address-refused']);
    nothingTrusted(a, b);
  });

  it.each([
    ['a metadata service', 'https://169.254.169.254/', {}],
    ['a range the operator forbids', undefined, { guard: createForbiddenRanges(['127.0.0.0/8', '::1/128']) }],
  ])('leads the newcomer not to %s that a line names', async (_what, url, parts) => {
    await using a = await InvitationSide.start('a.example', url === undefined ? {} : { url });
    await using b = await InvitationSide.start('b.example', { parts });
    expect(await b.take(await a.give())).toBe('invitation-address-refused');
    nothingTrusted(a, b);
  });

  it('leads nobody to the machine itself who is reached elsewhere', async () => {
    await using a = await InvitationSide.start('a.example');
    await using b = await InvitationSide.start('b.example', { url: 'https://b.example:8443/' });
    expect(await b.take(await a.give())).toBe('invitation-address-refused');
    nothingTrusted(a, b);
  });

  it('is not redirected: not at the newcomer’s endpoint', async () => {
    await using w = await startWatched({}, { profile: 'https_web' });
    await using aimless = await InvitationSide.start('c.example');
    w.beforeB.mode = 'terminate';
    w.beforeB.onAnswer = (passing) => ({ ...passing, status: 302, body: aimless.url });
    expect(await w.b.take(await w.a.give())).toBe('invitation-declined');
    nothingTrusted(w.a, w.b);
  });
});
