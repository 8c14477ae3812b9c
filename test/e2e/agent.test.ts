import { existsSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type {
  BundleSetDocument,
  HistoryDocument,
  RelationshipDocument,
  StatusDocument,
} from '../../src/admin-client/index.ts';
import { freePorts } from '../../src/demonstration/demo/free-ports.ts';
import { pemFromCertificates } from '../../src/spiffe/index.ts';
import { type Answered, presentCa, presentTimes, until } from '../../testkit/agent-process.ts';
import { runVerb } from '../../testkit/run-verb.ts';
import { type Agents, type RunningAgent, startAgents } from '../../testkit/running-agents.ts';

interface Refusal {
  readonly error: { readonly code: string };
}

/** Two agents, as their operators see them: processes, files and the `federate` command. Each test has a pair of its own. */
let agents: Agents;
let a: RunningAgent;
let b: RunningAgent;

beforeEach(async () => {
  agents = await startAgents([
    { trustDomain: 'a.example', profile: 'https_spiffe' },
    { trustDomain: 'b.example', profile: 'https_web' },
  ]);
  [a, b] = agents.all as [RunningAgent, RunningAgent];
});
afterEach(() => agents[Symbol.asyncDispose]());

const verifyAtA = async () => {
  const { certPem } = await b.ca.issueLeaf(presentTimes());
  writeFileSync(agents.file('leaf.pem'), certPem);
  return await a.home.ask('verify', agents.file('leaf.pem'));
};

describe('two agents and the federate command', () => {
  it('federate with each other by pin, one over https_web and one over https_spiffe, each direction by itself, and write the files (FED-11)', async () => {
    const [ofA, ofB] = await Promise.all([a, b].map(({ home }) => home.ask<StatusDocument>('status')));
    expect([ofA?.code, ofB?.code]).toEqual([0, 0]);
    expect(ofA?.answer).toMatchObject({
      ready: true,
      trust_domain: 'a.example',
      endpoint: { endpoint_id: 'spiffe://a.example/federate' },
      mesh: { kind: 'files', connected: true },
    });
    const toB = await a.add(b);
    // One direction: that we keep their bundle fresh makes them hold nothing of ours.
    expect((await b.home.ask('list')).answer).toEqual([]);
    const toA = await b.add(a);
    expect(toB).toMatchObject({ code: 0, answer: { trust_domain: 'b.example', code: null } });
    expect(toA).toMatchObject({ code: 0, answer: { trust_domain: 'a.example', code: null } });
    await until('the files', () => a.holds(b, b.ca) && b.holds(a, a.ca));
    await until('the map', () => a.home.foreign('bundles.json').includes('b.example'));
    expect(JSON.parse(a.home.foreign('bundles.json'))).toMatchObject({ trust_domains: { 'b.example': {} } });
  });

  it('answers every verb with --output json', async () => {
    await a.addUntilHeld(b);
    const ask = a.home.ask.bind(a.home);
    await until('the report of the mesh', async () => {
      const { answer } = await a.home.ask<RelationshipDocument>('show', 'b.example');
      return answer.in_mesh?.state === 'written';
    });
    const [list, show, refresh, bundle, history, diff, verify, check] = await Promise.all([
      ask('list'),
      ask('show', 'b.example'),
      ask('refresh'),
      ask('bundle', 'show', 'b.example'),
      ask('bundle', 'history', 'b.example'),
      ask('bundle', 'diff', 'b.example'),
      verifyAtA(),
      runVerb('check-config', a.home.configFile, '--output', 'json'),
    ]);
    expect(list.answer).toMatchObject([{ trust_domain: 'b.example', state: 'active' }]);
    expect(show.answer).toMatchObject({
      trust_domain: 'b.example',
      reason: null,
      in_mesh: { state: 'written' },
    });
    expect(refresh.answer).toMatchObject([{ trust_domain: 'b.example', outcome: 'unchanged' }]);
    expect(bundle.answer).toMatchObject({ version: 1, x509_authorities: [{ subject: 'CN=b.example root' }] });
    expect(history.answer).toMatchObject({ versions: [{ version: 1, verdict: 'bootstrap' }] });
    expect(diff.answer).toMatchObject({ from: null, to: 1, added: [{ kind: 'x509' }] });
    expect(verify.answer).toMatchObject({ accepted: true, trust_domain: 'b.example' });
    expect(JSON.parse(check.out)).toMatchObject({ ok: true, kind: 'agent' });
    expect([list, show, refresh, bundle, history, diff, verify, check].map(({ code }) => code)).toEqual(
      Array(8).fill(0),
    );
  });

  it('says what is wrong and what to do, and changes nothing: twice, oneself, nobody, a wrong pin', async () => {
    await a.add(b);
    const proof = ['--profile', 'https_web', '--ca-file', agents.file('web-ca.pem')];
    const add = (trustDomain: string, url: string, pin = `sha256:${'0'.repeat(64)}`) =>
      a.home.ask<Refusal>('add', '--peer', url, '--trust-domain', trustDomain, ...proof, '--pin', pin);
    const { url } = b.home;
    // One trust domain each: of two adds of the same one at once, the one that comes later is refused for that.
    const refused: Answered<Refusal>[] = await Promise.all([
      add('b.example', url),
      add('a.example', url),
      add('c.example', url),
      add('d.example', url, 'sha256:short'),
      add('e.example', url.replace('https', 'http')),
      a.home.ask<Refusal>('remove', 'f.example'),
    ]);
    expect(refused.map(({ code, answer }) => [code, answer.error.code])).toEqual([
      [1, 'already-federated'],
      [1, 'own-trust-domain'],
      [1, 'pin-mismatch'],
      [2, 'pin-malformed'],
      [2, 'relationship-invalid'],
      [1, 'not-federated'],
    ]);
    expect((await a.home.ask('list')).answer).toHaveLength(1);
  });

  it('sees a rotation of the peer: the new root beside the old one, then the old one gone, and the history has both steps', async () => {
    await b.addUntilHeld(a);
    const next = await presentCa('a.example', 'CN=A2');
    a.home.writeRoots(a.ca, next);
    await until('both roots', () => b.holds(a, a.ca, next));
    await a.home.writeEndpointCertificate(next);
    await a.agent.untilLogged('SVID renewed');
    a.home.writeRoots(next);
    await until('the new root alone', () => b.holds(a, next));
    const { answer } = await b.home.ask<HistoryDocument>('bundle', 'history', 'a.example');
    const changes = answer.versions.map(({ verdict, added, removed }) => [
      verdict,
      added.map(({ label }) => label.split(' ').at(-1)),
      removed.map(({ label }) => label.split(' ').at(-1)),
    ]);
    // The last word of the subject.
    expect(changes).toEqual([
      ['accepted', [], ['root']],
      ['accepted', ['CN=A2'], []],
      ['bootstrap', ['root'], []],
    ]);
    // Under the new root its own endpoint is polled.
    expect(await b.home.ask('refresh', 'a.example')).toMatchObject({
      code: 0,
      answer: [{ outcome: 'unchanged' }],
    });
  });

  it('keeps a dangerous change of the peer out until the operator takes it with refresh --accept-once', async () => {
    await a.addUntilHeld(b);
    const replaced = await presentCa('b.example', 'CN=B2');
    b.home.writeRoots(replaced);
    await until('the quarantine', async () => {
      const { answer } = await a.home.ask<RelationshipDocument>('show', 'b.example');
      return answer.reason?.code === 'all-roots-replaced';
    });
    // The other side first publishes both roots, because one that is gone needs a second look there.
    expect(a.holdsAny(b, b.ca)).toBe(true);
    expect(await a.home.ask('refresh', 'b.example')).toMatchObject({
      code: 1,
      answer: [{ outcome: 'quarantined', code: 'all-roots-replaced' }],
    });
    expect(await a.home.ask('refresh', 'b.example', '--accept-once')).toMatchObject({
      code: 0,
      answer: [{ code: null }],
    });
    await until('the new root', () => a.holds(b, replaced));
    expect((await a.home.ask('show', 'b.example')).answer).toMatchObject({ state: 'active', reason: null });
    const { answer } = await a.home.ask<HistoryDocument>('bundle', 'history', 'b.example');
    expect(answer.incidents).toMatchObject([{ code: 'all-roots-replaced', ended_at: expect.any(String) }]);
  });

  it('takes a bundle by hand and another endpoint, on record, and keeps trust when the endpoint does not answer', async () => {
    await a.addUntilHeld(b);
    const extra = await presentCa('b.example', 'CN=B3');
    writeFileSync(agents.file('by-hand.pem'), pemFromCertificates([b.ca.root, extra.root]));
    const [port = 0] = await freePorts(1);
    const nowhere = `https://localhost:${port}/`;
    const moved = await a.home.ask('change', 'b.example', '--peer', nowhere, '--reason', 'they move');
    expect(moved).toMatchObject({
      code: 0,
      answer: { trust_domain: 'b.example', outcome: 'failed', code: 'connect-failed' },
    });
    const words = ['bundle', 'set', 'b.example', agents.file('by-hand.pem'), '--reason', 'courier'];
    const set = await a.home.ask<BundleSetDocument>(...words);
    expect(set).toMatchObject({ code: 0, answer: { poll: { outcome: 'failed' } } });
    const byHand = set.answer.version;
    await until('the roots by hand', () => a.holds(b, b.ca, extra));
    // What their endpoint says, once it is heard, counts more than what was set by hand.
    expect(await a.home.ask('change', 'b.example', '--peer', b.home.url)).toMatchObject({
      code: 0,
      answer: { outcome: 'accepted', code: null },
    });
    await until('the roots of the endpoint', () => a.holds(b, b.ca));
    const { answer } = await a.home.ask<HistoryDocument>('bundle', 'history', 'b.example');
    expect(answer.versions.slice(0, 2)).toMatchObject([
      { version: byHand + 1, verdict: 'accepted' },
      { version: byHand, verdict: 'operator', origin: 'by-hand.pem' },
    ]);
    expect(answer.events.map(({ message }) => message)).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/set by hand: courier$/),
        expect.stringMatching(/is now .*: they move$/),
      ]),
    );
  });

  it('refuses a bundle by hand with our own root, and one of a trust domain that is not a peer', async () => {
    await a.add(b);
    writeFileSync(agents.file('ours.pem'), pemFromCertificates([a.ca.root]));
    writeFileSync(agents.file('theirs.pem'), pemFromCertificates([b.ca.root]));
    const [ours, stranger] = await Promise.all([
      a.home.ask<Refusal>('bundle', 'set', 'b.example', agents.file('ours.pem')),
      a.home.ask<Refusal>('bundle', 'set', 'c.example', agents.file('theirs.pem')),
    ]);
    expect([ours, stranger].map(({ code, answer: { error } }) => [code, error.code])).toEqual([
      [1, 'own-root-offered'],
      [1, 'not-federated'],
    ]);
  });

  it('refuses a second agent on the same store, by name, and the first goes on', async () => {
    const [port = 0] = await freePorts(1);
    const second = a.home.writeConfig(
      a.home.file('second.yaml'),
      { admin_socket: 'second.sock' },
      { listen: `127.0.0.1:${port}` },
    );
    const { code, err } = await a.home.start(second).ended;
    expect(code).toBe(1);
    expect(err).toMatch(/in use by another agent \(pid \d+.*\[store-locked\]/);
    expect(err).toContain('→ stop that agent first');
    expect(existsSync(a.home.file('second.sock'))).toBe(false);
    expect((await a.home.ask('status')).code).toBe(0);
  });

  it('keeps trust and files over kill -9 and a restart while the peer is down', async () => {
    await a.addUntilHeld(b);
    await until('the map', () => a.home.foreign('bundles.json').includes('b.example'));
    const before = a.home.foreign('bundles.json');
    await Promise.all([a, b].map(({ agent }) => agent.end('SIGKILL')));
    // Left behind by the dead process.
    expect(existsSync(a.home.socket)).toBe(true);
    await a.startAgain();
    const [status, show, verify] = await Promise.all([
      a.home.ask('status'),
      a.home.ask('show', 'b.example'),
      verifyAtA(),
    ]);
    expect(status.answer).toMatchObject({ ready: true, relationships: { total: 1 } });
    expect(show.answer).toMatchObject({ trust_domain: 'b.example', authorities: 1 });
    expect(verify.answer).toMatchObject({ accepted: true });
    const refreshed = await a.home.ask('refresh', 'b.example');
    expect(refreshed).toMatchObject({ code: 1, answer: [{ outcome: 'failed' }] });
    expect(a.home.foreign('bundles.json')).toBe(before);
    expect(a.holds(b, b.ca)).toBe(true);
  });
});
