import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type {
  RelationshipDocument,
  SignedBundleDocument,
  StatusDocument,
} from '../../src/admin-client/index.ts';
import { presentCa, until } from '../../testkit/agent-process.ts';
import { type Agents, type RunningAgent, startAgents } from '../../testkit/running-agents.ts';

const SIGNER = 'spiffe://a.example/federate';
const PROVEN = ['--signed', '--signer', SIGNER];

/** A publishes, B takes A's bundle from a file, and C takes it from B, who only carries it. */
let agents: Agents;
let a: RunningAgent;
let b: RunningAgent;
let c: RunningAgent;
let file: string;

beforeEach(async () => {
  // B carries what came to it signed; the others keep to themselves with whom they federate.
  const carrying = { endpoint: { carry_signed_bundles: true } };
  agents = await startAgents([
    { trustDomain: 'a.example', profile: 'https_spiffe' },
    { trustDomain: 'b.example', profile: 'https_spiffe', ...carrying },
    { trustDomain: 'c.example', profile: 'https_spiffe' },
  ]);
  [a, b, c] = agents.all as [RunningAgent, RunningAgent, RunningAgent];
  file = agents.file('a.jws');
});
afterEach(() => agents[Symbol.asyncDispose]());

const statusOfA = async () => (await a.home.ask<StatusDocument>('status')).answer;
const heldBy = async ({ home }: RunningAgent) =>
  (await home.ask<RelationshipDocument>('show', 'a.example')).answer;

/** A signs its bundle into the file, B takes it from there, and C from B. */
async function carry(): Promise<void> {
  const signed = await a.home.ask<SignedBundleDocument>('bundle', 'sign', '--file', file);
  expect(signed).toMatchObject({ code: 0, answer: { trust_domain: 'a.example', signer_id: SIGNER } });
  const pin = (await statusOfA()).own?.pin ?? '';
  const take = ({ home }: RunningAgent, peer: string) =>
    home.ask('add', '--peer', peer, '--trust-domain', 'a.example', ...PROVEN, '--pin', pin);
  expect((await take(b, file)).code).toBe(0);
  expect((await take(c, `${b.home.url}federate/v1/signed-bundle/a.example`)).code).toBe(0);
}

describe('a signed bundle and the federate command', () => {
  it('travels by a file, and from there by another agent, and each time proves itself', async () => {
    await carry();
    const shown = await heldBy(c);
    expect(shown).toMatchObject({ state: 'active', profile: 'signed_bundle', signer_id: SIGNER });
    // A rotates: a new file, and both have it; nobody but A could have written it.
    a.home.writeRoots(a.ca, await presentCa('a.example', 'CN=A2'));
    await until('the new root in the own bundle', async () => (await statusOfA()).own?.authorities === 2);
    await a.home.ask('bundle', 'sign', '--file', file);
    for (const agent of [b, c])
      await until('both roots', async () => (await heldBy(agent)).authorities === 2);
  });

  it('is served by its own agent, and not there for a stranger', async () => {
    await carry();
    const move = ({ home }: RunningAgent, peer: string) =>
      home.ask('change', 'a.example', '--peer', peer, ...PROVEN);
    const moved = await move(c, `${a.home.url}federate/v1/signed-bundle`);
    expect(moved).toMatchObject({ code: 0, answer: { code: null } });
    const gone = await move(c, `${b.home.url}federate/v1/signed-bundle/c.example`);
    expect(gone).toMatchObject({ answer: { code: 'status-refused' } });
    // C holds a signed bundle of A, and does not serve it.
    const kept = await move(b, `${c.home.url}federate/v1/signed-bundle/a.example`);
    expect(kept).toMatchObject({ answer: { code: 'status-refused' } });
  });
});
