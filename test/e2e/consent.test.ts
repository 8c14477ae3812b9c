import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DecidedDocument, RelationshipDocument, ReviewDocument } from '../../src/admin-client/index.ts';
import { freePorts } from '../../src/demonstration/demo/free-ports.ts';
import { presentCa, until } from '../../testkit/agent-process.ts';
import { runVerb } from '../../testkit/run-verb.ts';
import { type Agents, type RunningAgent, startAgents } from '../../testkit/running-agents.ts';
import type { TestCa } from '../../testkit/test-ca.ts';

interface Refusal {
  readonly error: { readonly code: string };
}

/** Two agents and what the operator of the one decides about the other. Each test has a pair of its own. */
let agents: Agents;
let a: RunningAgent;
let b: RunningAgent;
/** The root of b at the start, and two that it gets later. */
let roots: readonly [TestCa, TestCa, TestCa];

beforeEach(async () => {
  // Requests are held for a second, so that what the other side says is heard soon.
  const federation = { minimum_poll: '250ms', connect_timeout: '2m', total_timeout: '2m', hold: '1s' };
  agents = await startAgents([
    { trustDomain: 'a.example', profile: 'https_spiffe', config: { federation } },
    { trustDomain: 'b.example', profile: 'https_web' },
  ]);
  [a, b] = agents.all as [RunningAgent, RunningAgent];
  const [two, three] = await Promise.all([presentCa('b.example', 'CN=B2'), presentCa('b.example', 'CN=B3')]);
  roots = [b.ca, two, three];
});
afterEach(() => agents[Symbol.asyncDispose]());

const show = async () => (await a.home.ask<RelationshipDocument>('show', 'b.example')).answer;
const review = async () => (await a.home.ask<ReviewDocument>('review', 'b.example')).answer;
const text = (...words: string[]) => runVerb(...words, '--socket', a.home.socket);
const holds = (...cas: readonly TestCa[]) => a.holds(b, ...cas);
const untilState = (state: string) => until(`state ${state}`, async () => (await show()).state === state);

/** Federates with b, whose root is then replaced: the offer waits. Returns its digest. */
async function quarantine(): Promise<string> {
  await a.addUntilHeld(b);
  // The agent of b publishes the new root, and a moment later that the old one is gone.
  b.home.writeRoots(roots[1]);
  await untilState('quarantined');
  const [offer] = (await review()).waiting;
  return offer?.digest ?? '';
}

/** Federates with b, which has two roots. */
async function federateWithTwoRoots(...words: string[]): Promise<void> {
  await a.addUntilHeld(b, ...words);
  b.home.writeRoots(roots[0], roots[1]);
  await until('both roots', () => holds(roots[0], roots[1]));
}

describe('what the operator decides about a peer', () => {
  it('adds a peer with two addresses, the first of them dead, on terms; show has the state of each', async () => {
    const [deadPort = 0] = await freePorts(1);
    const addresses = ['--peer', `https://localhost:${deadPort}/`, '--peer', b.home.url];
    const terms = ['--policy', 'ask-on-dangerous', '--stale-after', '7d'];
    const { code } = await a.home.ask('add', ...addresses, ...(await b.proof()), ...terms);
    expect(code).toBe(0);
    await until('the file', () => holds(roots[0]));
    await a.home.ask('refresh', 'b.example');
    expect(await show()).toMatchObject({
      state: 'active',
      policy: 'ask-on-dangerous',
      stale_after_seconds: 604_800,
      endpoints: [
        { in_use: false, last_failure_code: 'connect-failed' },
        { url: b.home.url, in_use: true, last_failure_code: null },
      ],
    });
    const { out } = await text('show', 'b.example');
    expect(out).toMatch(/endpoint +https:\/\/localhost:\d+\/ \(failed .* \[connect-failed\]\)/);
    expect(out).toMatch(/or +https:\/\/localhost:\d+\/ \(in use, answered /);
    expect(out).toMatch(/stale after +7d/);
  });

  it('review shows a dangerous change to people: why, what, from where, and what to type', async () => {
    await quarantine();
    const { code, out } = await text('review', 'b.example');
    expect(code).toBe(0);
    expect(out).toContain('b.example: an offered bundle waits for your decision');
    expect(out).toMatch(/No root in this bundle has been trusted for b\.example for long/);
    expect(out).toMatch(/ {4}root [0-9a-f]{12} CN=B2, valid /);
    expect(out).toMatch(/- root [0-9a-f]{12} CN=b\.example root, valid /);
    expect(out).toMatch(/federate review b\.example --accept --digest [0-9a-f]{12} --reason/);
    expect((await text('show', 'b.example')).out).toMatch(/what to do +"federate review/);
    expect(holds(roots[0], roots[1])).toBe(true);
  });

  it('a decision needs a reason, a peer, and an offer that is there', async () => {
    await quarantine();
    for (const words of [
      ['review', 'b.example', '--accept'],
      ['review', '--accept', '--reason', 'x'],
      ['review', 'b.example', '--accept', '--reject', '--reason', 'x'],
      ['review', 'b.example', '--digest', 'abcdef'],
    ])
      expect((await text(...words)).code).toBe(2);
    const accept = (digest: string) =>
      a.home.ask<Refusal>('review', 'b.example', '--accept', '--digest', digest, '--reason', 'x');
    expect(await accept('ffffffff')).toMatchObject({ code: 1, answer: { error: { code: 'offer-changed' } } });
    expect(await accept('B2')).toMatchObject({ code: 1, answer: { error: { code: 'request-invalid' } } });
    const stranger = await a.home.ask<Refusal>('review', 'c.example');
    expect(stranger).toMatchObject({ code: 1, answer: { error: { code: 'not-federated' } } });
    expect(holds(roots[0], roots[1])).toBe(true);
  });

  it('a rejection keeps that content out for good, over kill -9, and can be taken back', async () => {
    const digest = await quarantine();
    const short = ['--digest', digest.slice(0, 12)];
    const rejected = await a.home.ask<DecidedDocument>(
      'review',
      'b.example',
      '--reject',
      ...short,
      '--reason',
      'not theirs',
    );
    expect(rejected).toMatchObject({ code: 0, answer: { decision: 'reject', digest } });
    await a.killAndStart();
    await a.home.ask('refresh', 'b.example');
    expect(await show()).toMatchObject({ state: 'failing', reason: { code: 'offer-rejected' } });
    expect(await review()).toMatchObject({
      waiting: [{ status: 'rejected', digest }],
      rejected: [{ digest, reason: 'not theirs' }],
    });
    expect(holds(roots[0], roots[1])).toBe(true);
    const back = await text('review', 'b.example', '--reconsider', ...short, '--reason', 'it was');
    expect(back).toMatchObject({ code: 0, out: expect.stringContaining('quarantined') });
    await untilState('quarantined');
  });

  it('accepting takes what was shown, and the mesh gets it', async () => {
    await quarantine();
    const accepted = await text('review', 'b.example', '--accept', '--reason', 'Bob read it out');
    expect(accepted.code).toBe(0);
    // Without a digest the offer is shown once more, before it is taken.
    expect(accepted.out).toMatch(/waits for your decision[\s\S]*Accepted: sha256:[0-9a-f]{64}/);
    await until('the file', () => holds(roots[1]));
    expect(await show()).toMatchObject({ state: 'active', reason: null });
    expect((await text('review')).out).toContain('Nothing waits');
  });

  it('ask-always: a root that is added waits, one that goes does not', async () => {
    await a.addUntilHeld(b);
    expect((await a.home.ask('change', 'b.example', '--policy', 'ask-always')).code).toBe(0);
    b.home.writeRoots(roots[0], roots[2]);
    await untilState('quarantined');
    const { waiting } = await review();
    expect(waiting).toMatchObject([
      {
        code: 'policy-asks-always',
        policy: 'ask-always',
        added: [{ subject: 'CN=B3' }],
        removed: [],
        kept: [{ subject: 'CN=b.example root' }],
      },
    ]);
    await a.home.ask('review', 'b.example', '--accept', '--reason', 'announced');
    await until('both', () => holds(roots[0], roots[2]));
    b.home.writeRoots(roots[2]);
    await until('the newer one', () => holds(roots[2]));
    expect((await text('list')).out).toContain('ask-always');
    b.home.writeRoots(roots[0], roots[2]);
    await untilState('quarantined');
    await a.home.ask('change', 'b.example', '--policy', 'auto');
    await until('both again', () => holds(roots[0], roots[2]));
  });

  it('a distrusted root is out of the mesh over kill -9 and polls, until it is trusted again', async () => {
    await federateWithTwoRoots();
    const key = roots[1].authority.keyFingerprint;
    await a.home.ask('distrust', 'b.example', key.slice(0, 16), '--reason', 'stolen');
    await until('one root', () => holds(roots[0]));
    await a.killAndStart();
    await a.home.ask('refresh', 'b.example');
    expect(await show()).toMatchObject({
      state: 'active',
      distrusted: [{ key_fingerprint: key, reason: 'stolen' }],
    });
    expect(holds(roots[0])).toBe(true);
    expect((await text('bundle', 'show', 'b.example')).out).toMatch(/DISTRUSTED +[0-9a-f]{6} CN=B2 since/);
    await a.home.ask('trust', '--again', 'b.example', key.slice(0, 16));
    await until('both', () => holds(roots[0], roots[1]));
  });

  it('distrust and trust refuse what they do not understand, and a key that is trusted', async () => {
    await a.add(b);
    const key = roots[0].authority.keyFingerprint;
    const refusals = await Promise.all([
      text('distrust', 'b.example'),
      text('distrust', 'b.example', key, '--for', 'soon'),
      text('distrust', 'b.example', key, '--until', 'tomorrow'),
      text('distrust', 'b.example', key, '--for', '1h', '--until', '2030-01-01T00:00:00Z'),
      text('trust', 'b.example', key),
    ]);
    expect(refusals.map(({ code }) => code)).toEqual([2, 2, 2, 2, 2]);
    expect(await a.home.ask('trust', '--again', 'b.example', key)).toMatchObject({
      code: 1,
      answer: { error: { code: 'not-distrusted' } },
    });
  });

  it('says when the peer has ended its relationship with us, by the answer of its endpoint, and trusts it as before', async () => {
    await a.addUntilHeld(b);
    expect((await show()).their_side).toBeNull();
    await b.add(a);
    await until('their word', async () => (await show()).their_side?.state === 'held');
    expect((await text('show', 'b.example')).out).toMatch(/their side +holds a relationship with us/);
    await b.home.ask('remove', 'a.example');
    await until('their silence', async () => (await show()).their_side?.state === 'ended');
    expect((await text('show', 'b.example')).out).toMatch(
      /their side +seems to have ended .*peer-dropped-us/,
    );
    expect((await text('list')).out).toContain('their side: seems to have ended');
    expect((await show()).state).toBe('active');
    expect(holds(roots[0])).toBe(true);
  });

  it('a stale peer is out of the mesh until its next good poll (FED-57)', async () => {
    await federateWithTwoRoots('--stale-after', '7d');
    await a.home.ask('change', 'b.example', '--stale-after', '3s');
    expect(holds(roots[0], roots[1])).toBe(true);
    await b.agent.end('SIGKILL');
    await untilState('stale');
    // What is left is a root whose key nobody has.
    await until('no root of it', () => !a.holdsAny(b, ...roots));
    expect((await text('show', 'b.example')).out).toMatch(
      /state +stale: .*none of its identities is accepted/,
    );
    await b.startAgain();
    await untilState('active');
    await until('both', () => holds(roots[0], roots[1]));
    await a.home.ask('change', 'b.example', '--never-stale');
    expect((await show()).stale_after_seconds).toBeNull();
  });
});
