import assert from 'node:assert/strict';
import { until } from '../../test/e2e/agent-process.ts';
import { startAgents } from './agents.ts';
import type { InteropCheck } from './program.ts';
import { Spire } from './spire.ts';

/** Our agent beside a SPIRE server, into which it writes what its peers say. */
export const spireAdapterChecks: readonly InteropCheck[] = [
  { name: 'the SPIRE adapter sets and removes federated bundles', run: adapterWrites },
];

const OURS = 'a.example';

async function adapterWrites(executable: string): Promise<void> {
  await using server = await Spire.start(executable);
  await using agents = await startAgents([
    {
      trustDomain: 'spire.example',
      profile: 'https_web',
      config: { mesh: { kind: 'spire', socket: server.socket, poll: '1s' } },
    },
    { trustDomain: OURS, profile: 'https_spiffe' },
  ]);
  const [beside, peer] = agents.all;
  assert(beside && peer);
  const pin = (await peer.home.ask<{ own: { pin: string } }>('status')).answer.own.pin;
  const words = ['--peer', peer.home.url, '--trust-domain', OURS, '--profile', 'https_spiffe'];
  const proof = ['--endpoint-id', `spiffe://${OURS}/federate`, '--pin', pin];
  assert.equal((await beside.home.ask('add', ...words, ...proof)).code, 0);
  await until('the federated bundle', () => server.say('bundle', 'list', '-format', 'spiffe').includes(OURS));
  assert.equal(server.federatedKeys(OURS), 1);
  assert.equal((await beside.home.ask('remove', OURS)).code, 0);
  await until(
    'the federated bundle to go',
    () => !server.say('bundle', 'list', '-format', 'spiffe').includes(OURS),
  );
}
