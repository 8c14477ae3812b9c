import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type {
  DecidedDocument,
  RelationshipDocument,
  ReviewDocument,
  StatusDocument,
} from '../../src/admin-client/index.ts';
import { freePorts } from '../../src/demonstration/demo/free-ports.ts';
import { pemFromCertificates } from '../../src/spiffe/index.ts';
import { runVerb } from '../../testkit/run-verb.ts';
import type { TestCa } from '../../testkit/test-ca.ts';
import { type Agents, type RunningAgent, startAgents } from '../../testkit/running-agents.ts';
import { type AgentHome, FederateProcess, presentCa, until } from '../../testkit/agent-process.ts';

interface Refusal {
  readonly error: { readonly code: string };
}

/** Two agents and what the operator of the one decides about the other. The tests are one story, in order. */
let agents: Agents;
let a: AgentHome;
let b: AgentHome;
let agentA: FederateProcess;
let agentB: FederateProcess;
let deadPort: number;
let roots: readonly [TestCa, TestCa, TestCa];

beforeAll(async () => {
  [deadPort = 0] = await freePorts(1);
  // Requests are held for a second, so that what the other side says is heard soon.
  const federation = { minimum_poll: '250ms', connect_timeout: '2m', total_timeout: '2m', hold: '1s' };
  agents = await startAgents([
    { trustDomain: 'a.example', profile: 'https_spiffe', config: { federation } },
    { trustDomain: 'b.example', profile: 'https_web' },
  ]);
  const [first, second] = agents.all as [RunningAgent, RunningAgent];
  ({ home: a, agent: agentA } = first);
  ({ home: b, agent: agentB } = second);
  const [two, three] = await Promise.all([presentCa('b.example', 'CN=B2'), presentCa('b.example', 'CN=B3')]);
  roots = [second.ca, two, three];
  writeFileSync(agents.file('web-ca.pem'), pemFromCertificates([agents.webCa.root]));
});
afterAll(async () => {
  await Promise.all([agentA, agentB].map((agent) => agent.end('SIGKILL')));
  await agents[Symbol.asyncDispose]();
});

const show = async () => (await a.ask<RelationshipDocument>('show', 'b.example')).answer;
const review = async () => (await a.ask<ReviewDocument>('review', 'b.example')).answer;
const text = (...words: string[]) => runVerb(...words, '--socket', a.socket);
const holds = (...cas: readonly TestCa[]) => {
  const pem = a.foreign('b.example.pem');
  return (
    pem.split('BEGIN CERT').length - 1 === cas.length &&
    cas.every(({ root }) => pem.replaceAll('\n', '').includes(Buffer.from(root).toString('base64')))
  );
};
const holdsAny = (...cas: readonly TestCa[]) => {
  const pem = a.foreign('b.example.pem').replaceAll('\n', '');
  return cas.some(({ root }) => pem.includes(Buffer.from(root).toString('base64')));
};
const untilState = (state: string) => until(`state ${state}`, async () => (await show()).state === state);
const killA = async () => {
  await agentA.end('SIGKILL');
  agentA = a.start();
  await until('the agent', async () => (await text('status')).code === 0);
};

describe('what the operator decides about a peer', () => {
  it('adds a peer with two addresses, the first of them dead, on terms; show tells how each does', async () => {
    const status = (await b.ask<StatusDocument>('status')).answer;
    const { code } = await a.ask(
      'add',
      '--peer',
      `https://localhost:${deadPort}/`,
      '--peer',
      b.url,
      '--trust-domain',
      'b.example',
      '--profile',
      'https_web',
      '--ca-file',
      agents.file('web-ca.pem'),
      '--pin',
      status.own?.pin ?? '',
      '--policy',
      'ask-on-dangerous',
      '--stale-after',
      '7d',
    );
    expect(code).toBe(0);
    await until('the file', () => holds(roots[0]));
    await a.ask('refresh', 'b.example');
    const shown = await show();
    expect(shown).toMatchObject({
      state: 'active',
      policy: 'ask-on-dangerous',
      stale_after_seconds: 604_800,
      endpoints: [
        { in_use: false, last_failure_code: 'connect-failed' },
        { url: b.url, in_use: true, last_failure_code: null },
      ],
    });
    const { out } = await text('show', 'b.example');
    expect(out).toMatch(/endpoint +https:\/\/localhost:\d+\/ \(failed .* \[connect-failed\]\)/);
    expect(out).toMatch(/or +https:\/\/localhost:\d+\/ \(in use, answered /);
    expect(out).toMatch(/stale after +7d/);
  });

  it('review shows a dangerous change to people: why, what, from where, and what to type', async () => {
    // The agent of b publishes the new root, and a moment later that the old one is gone.
    b.writeRoots(roots[1]);
    await untilState('quarantined');
    const { code, out } = await text('review', 'b.example');
    expect(code).toBe(0);
    expect(out).toContain('b.example: an offered bundle waits for your word');
    expect(out).toMatch(/No root in this bundle has been trusted for b\.example for long/);
    expect(out).toMatch(/ {4}root [0-9a-f]{12} CN=B2, valid /);
    expect(out).toMatch(/- root [0-9a-f]{12} CN=b\.example root, valid /);
    expect(out).toMatch(/federate review b\.example --accept --digest [0-9a-f]{12} --reason/);
    expect((await text('show', 'b.example')).out).toMatch(/what to do +"federate review/);
    expect(holds(roots[0], roots[1])).toBe(true);
  });

  it('a decision needs a reason, a peer, and an offer that is there', async () => {
    for (const words of [
      ['review', 'b.example', '--accept'],
      ['review', '--accept', '--reason', 'x'],
      ['review', 'b.example', '--accept', '--reject', '--reason', 'x'],
      ['review', 'b.example', '--digest', 'abcdef'],
    ])
      expect((await text(...words)).code).toBe(2);
    const other = await a.ask<Refusal>(
      'review',
      'b.example',
      '--accept',
      '--digest',
      'ffffffff',
      '--reason',
      'x',
    );
    expect(other).toMatchObject({ code: 1, answer: { error: { code: 'offer-changed' } } });
    const odd = await a.ask<Refusal>('review', 'b.example', '--accept', '--digest', 'B2', '--reason', 'x');
    expect(odd).toMatchObject({ code: 1, answer: { error: { code: 'request-invalid' } } });
    const stranger = await a.ask<Refusal>('review', 'c.example');
    expect(stranger).toMatchObject({ code: 1, answer: { error: { code: 'not-federated' } } });
    expect(holds(roots[0], roots[1])).toBe(true);
  });

  it('a rejection keeps that content out for good, over kill -9, and can be taken back', async () => {
    const { waiting } = await review();
    const digest = waiting[0]?.digest ?? '';
    const rejected = await a.ask<DecidedDocument>(
      'review',
      'b.example',
      '--reject',
      '--digest',
      digest.slice(0, 12),
      '--reason',
      'not theirs',
    );
    expect(rejected).toMatchObject({ code: 0, answer: { decision: 'reject', digest } });
    await killA();
    await a.ask('refresh', 'b.example');
    expect(await show()).toMatchObject({ state: 'failing', reason: { code: 'offer-rejected' } });
    expect(await review()).toMatchObject({
      waiting: [{ status: 'rejected', digest }],
      rejected: [{ digest, reason: 'not theirs' }],
    });
    expect(holds(roots[0], roots[1])).toBe(true);
    const back = await text(
      'review',
      'b.example',
      '--reconsider',
      '--digest',
      digest.slice(0, 12),
      '--reason',
      'it was',
    );
    expect(back).toMatchObject({ code: 0, out: expect.stringContaining('quarantined') });
    await untilState('quarantined');
  });

  it('accepting takes what was shown, and the mesh gets it', async () => {
    const accepted = await text('review', 'b.example', '--accept', '--reason', 'Bob read it out');
    expect(accepted.code).toBe(0);
    // Without a digest the offer is shown once more, before it is taken.
    expect(accepted.out).toMatch(/waits for your word[\s\S]*Accepted: sha256:[0-9a-f]{64}/);
    await until('the file', () => holds(roots[1]));
    expect(await show()).toMatchObject({ state: 'active', reason: null });
    expect((await text('review')).out).toContain('Nothing waits');
  });

  it('ask-always: a root that is added waits, one that goes does not', async () => {
    expect((await a.ask('change', 'b.example', '--policy', 'ask-always')).code).toBe(0);
    b.writeRoots(roots[1], roots[2]);
    await untilState('quarantined');
    const { waiting } = await review();
    expect(waiting).toMatchObject([
      {
        code: 'policy-asks-always',
        policy: 'ask-always',
        added: [{ subject: 'CN=B3' }],
        removed: [],
        kept: [{ subject: 'CN=B2' }],
      },
    ]);
    await a.ask('review', 'b.example', '--accept', '--reason', 'announced');
    await until('both', () => holds(roots[1], roots[2]));
    b.writeRoots(roots[2]);
    await until('the newer one', () => holds(roots[2]));
    expect((await text('list')).out).toContain('ask-always');
    b.writeRoots(roots[1], roots[2]);
    await untilState('quarantined');
    await a.ask('change', 'b.example', '--policy', 'auto');
    await until('both again', () => holds(roots[1], roots[2]));
  });

  it('a distrusted root is out of the mesh over kill -9 and polls, until it is trusted again', async () => {
    const key = roots[1].authority.keyFingerprint;
    await a.ask('distrust', 'b.example', key.slice(0, 16), '--reason', 'stolen');
    await until('one root', () => holds(roots[2]));
    await killA();
    await a.ask('refresh', 'b.example');
    expect(await show()).toMatchObject({
      state: 'active',
      distrusted: [{ key_fingerprint: key, reason: 'stolen' }],
    });
    expect(holds(roots[2])).toBe(true);
    expect((await text('bundle', 'show', 'b.example')).out).toMatch(/DISTRUSTED +[0-9a-f]{6} CN=B2 since/);
    await a.ask('trust', '--again', 'b.example', key.slice(0, 16));
    await until('both', () => holds(roots[1], roots[2]));
    const refusals = await Promise.all([
      text('distrust', 'b.example'),
      text('distrust', 'b.example', key, '--for', 'soon'),
      text('distrust', 'b.example', key, '--until', 'tomorrow'),
      text('distrust', 'b.example', key, '--for', '1h', '--until', '2030-01-01T00:00:00Z'),
      text('trust', 'b.example', key),
    ]);
    expect(refusals.map(({ code }) => code)).toEqual([2, 2, 2, 2, 2]);
    expect(await a.ask('trust', '--again', 'b.example', key)).toMatchObject({
      code: 1,
      answer: { error: { code: 'not-distrusted' } },
    });
  });

  it('says when the peer has ended its relationship with us, as its endpoint tells, and trusts it as before', async () => {
    expect((await show()).their_side).toBeNull();
    const ofA = (await a.ask<StatusDocument>('status')).answer;
    const added = await b.ask(
      'add',
      '--peer',
      a.url,
      '--trust-domain',
      'a.example',
      '--profile',
      'https_spiffe',
      '--endpoint-id',
      'spiffe://a.example/federate',
      '--pin',
      ofA.own?.pin ?? '',
    );
    expect(added.code).toBe(0);
    await until('their word', async () => (await show()).their_side?.state === 'held');
    expect((await text('show', 'b.example')).out).toMatch(/their side +holds a relationship with us/);
    await b.ask('remove', 'a.example');
    await until('their silence', async () => (await show()).their_side?.state === 'ended');
    expect((await text('show', 'b.example')).out).toMatch(
      /their side +seems to have ended .*peer-dropped-us/,
    );
    expect((await text('list')).out).toContain('their side: seems to have ended');
    expect((await show()).state).toBe('active');
    expect(holds(roots[1], roots[2])).toBe(true);
  });

  it('a stale peer is out of the mesh until its next good poll (FED-57)', async () => {
    await a.ask('change', 'b.example', '--stale-after', '3s');
    expect(holds(roots[1], roots[2])).toBe(true);
    await agentB.end('SIGKILL');
    await untilState('stale');
    // What is left is a root whose key nobody has.
    await until('no root of it', () => !holdsAny(...roots));
    expect((await text('show', 'b.example')).out).toMatch(
      /state +stale: .*none of its identities is accepted/,
    );
    agentB = b.start();
    await untilState('active');
    await until('both', () => holds(roots[1], roots[2]));
    await a.ask('change', 'b.example', '--never-stale');
    expect((await show()).stale_after_seconds).toBeNull();
  });
});
