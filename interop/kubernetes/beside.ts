import assert from 'node:assert/strict';
import type { RelationshipDocument, StatusDocument } from '../../src/admin-client/index.ts';
import { presentCa } from '../../testkit/agent-process.ts';
import { type Agents, type RunningAgent, startAgents } from '../../testkit/running-agents.ts';
import { until } from '../support/until.ts';

/** The trust domain of the peer in all of these checks. */
export const PEER = 'b.example';

/** Our agent beside something in a cluster, and a peer beside files. */
export interface Beside extends AsyncDisposable {
  readonly agents: Agents;
  readonly ours: RunningAgent;
  readonly peer: RunningAgent;
  /** Federates ours with the peer, as an operator does. */
  federate(): Promise<void>;
  /** Gives the peer a second root beside its first. */
  rotatePeer(): Promise<void>;
  /** `codes` are the exit codes of `federate remove` that are right: 1 where the mesh does not let go within a few seconds. */
  removePeer(codes?: readonly number[]): Promise<void>;
  /** What `federate show` says of the peer in our mesh. */
  inMesh(): Promise<RelationshipDocument['in_mesh']>;
  status(): Promise<StatusDocument>;
}

/** Starts both; `config` are the keys of our agent's config that tell where it stands. */
export async function startBeside(trustDomain: string, config: Record<string, unknown>): Promise<Beside> {
  const agents = await startAgents([
    { trustDomain, profile: 'https_web', config },
    { trustDomain: PEER, profile: 'https_spiffe' },
  ]);
  const [ours, peer] = agents.all;
  assert(ours && peer);
  const status = async () => (await ours.home.ask<StatusDocument>('status')).answer;
  return {
    agents,
    ours,
    peer,
    status,
    federate: () => federate(ours, peer),
    rotatePeer: async () => peer.home.writeRoots(peer.ca, await presentCa(PEER, `CN=${PEER} second root`)),
    removePeer: async (codes = [0]) =>
      assert(codes.includes((await ours.home.ask('remove', PEER)).code ?? -1)),
    inMesh: async () => (await ours.home.ask<RelationshipDocument>('show', PEER)).answer.in_mesh,
    [Symbol.asyncDispose]: () => agents[Symbol.asyncDispose](),
  };
}

/** Federates one agent with another that serves `https_spiffe`. */
export async function federate(ours: RunningAgent, peer: RunningAgent): Promise<void> {
  const { answer } = await peer.home.ask<StatusDocument>('status');
  const { trustDomain, url } = peer.home;
  const words = ['--peer', url, '--trust-domain', trustDomain, '--profile', 'https_spiffe'];
  const proof = ['--endpoint-id', `spiffe://${trustDomain}/federate`, '--pin', answer.own?.pin ?? ''];
  assert.equal((await ours.home.ask('add', ...words, ...proof)).code, 0);
}

/** The peer comes, rotates and goes; `certificates` tells how many of its certificates the mesh holds. */
export async function comeRotateAndGo(beside: Beside, certificates: () => Promise<number>): Promise<void> {
  await beside.federate();
  await until('one certificate of the peer in the mesh', async () => (await certificates()) === 1);
  await beside.rotatePeer();
  await until('both of them in the mesh', async () => (await certificates()) === 2);
  await beside.removePeer();
  await until('nothing of the peer in the mesh', async () => (await certificates()) === 0);
}

/** How many certificates a text holds. */
export function certificatesIn(text: string | undefined): number {
  return text?.match(/BEGIN CERTIFICATE/g)?.length ?? 0;
}
