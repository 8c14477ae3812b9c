import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { bundleOf, serializeBundle } from '../../src/spiffe/index.ts';
import { presentCa } from '../../testkit/agent-process.ts';
import { createTokenKey, signToken } from '../../testkit/test-tokens.ts';
import { type Agents, type RunningAgent, startAgents } from '../../testkit/running-agents.ts';

const key = createTokenKey('P-256', 'b1');

/** An agent of a.example with a workload socket. */
export type WorkloadAgent = Agents &
  Pick<RunningAgent, 'home' | 'ca' | 'agent'> & { readonly socket: string };

/** An agent with a workload socket, and a peer b.example whose bundle with a JWT key came as a file. */
export async function startWorkloadAgent(options: { readonly givesSvid: boolean }): Promise<WorkloadAgent> {
  const config = { workload_api: { socket: 'workload.sock', give_own_svid: options.givesSvid } };
  const agents = await startAgents([{ trustDomain: 'a.example', profile: 'https_spiffe', config }]);
  const [ours] = agents.all;
  assert(ours);
  const peer = await presentCa('b.example', 'CN=B');
  const bundle = bundleOf(peer.trustDomain, [peer.authority], {
    jwtAuthorities: [key.authority],
    sequence: 1n,
  });
  writeFileSync(agents.file('b.json'), serializeBundle(bundle));
  // Nobody answers at that address: the bundle is the operator's.
  const words = [
    '--peer',
    'https://127.0.0.1:9/',
    '--trust-domain',
    'b.example',
    '--profile',
    'https_spiffe',
  ];
  const proof = ['--endpoint-id', 'spiffe://b.example/endpoint', '--bundle', agents.file('b.json')];
  await ours.home.ask('add', ...words, ...proof);
  const { home, ca, agent } = ours;
  return { ...agents, home, ca, agent, socket: home.file('workload.sock') };
}

/** A JWT-SVID of `spiffe://b.example/w` for audience `us`; forged: under the name of the peer's key, and by another one. */
export function tokenOfPeer(options: { readonly forged?: boolean } = {}): string {
  const now = Math.floor(Date.now() / 1000);
  const claims = { sub: 'spiffe://b.example/w', aud: ['us'], iat: now - 10, exp: now + 300 };
  const signer = options.forged === true ? { ...createTokenKey('P-256'), authority: key.authority } : key;
  return signToken(signer, { claims });
}
