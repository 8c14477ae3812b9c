import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { presentCa } from '../../testkit/agent-process.ts';
import { type Beside, certificatesIn, comeRotateAndGo, PEER, startBeside } from '../kubernetes/beside.ts';
import { pemOf } from '../kubernetes/objects.ts';
import { KumaControlPlane, type SeenMeshTrust } from '../support/kuma.ts';
import { firstLineOf, type InteropProgram } from '../support/program.ts';
import { until } from '../support/until.ts';

/** Kuma's control plane in universal mode, whose MeshTrusts our adapter keeps over its REST API. */
export const kuma: InteropProgram = {
  name: 'kuma',
  variable: 'FEDERATE_KUMA_CP',
  command: 'kuma-cp',
  version: (executable) => firstLineOf(executable, ['version']),
  install: 'the kuma-cp of a Kuma release, 2.13 or later',
  checks: [
    {
      name: 'own roots from its identity; our MeshTrust in, rotated, out; others untouched',
      run: keepTrusts,
    },
    { name: 'a wrong token is refused, told, and healed by the right one in the file', run: wrongToken },
    { name: 'it loses everything: what was read stays, what it should hold comes back', run: loseEverything },
  ],
};

async function besideOf(controlPlane: KumaControlPlane, tokenFile: string): Promise<Beside> {
  const own = await controlPlane.own();
  const mesh = { kind: 'kuma', address: controlPlane.url, token_file: tokenFile, poll: '200ms' };
  return startBeside(own?.spec.trustDomain ?? '', { mesh });
}

/** How many certificates the MeshTrusts of our peer hold. */
async function peerCertificates(controlPlane: KumaControlPlane): Promise<number> {
  const theirs = (await controlPlane.trusts()).filter(({ spec }) => spec.trustDomain === PEER);
  assert(theirs.every(({ labels }) => labels?.['federate.dev/foreign-trust'] === 'true'));
  return theirs.flatMap(pemsOf).reduce((sum, pem) => sum + certificatesIn(pem), 0);
}

function pemsOf({ spec }: SeenMeshTrust): string[] {
  return spec.caBundles.map(({ pem }) => pem?.value ?? '');
}

async function keepTrusts(executable: string): Promise<void> {
  await using controlPlane = await KumaControlPlane.start(executable);
  await controlPlane.putTrust(
    'theirs',
    'theirs.example',
    pemOf(await presentCa('theirs.example', 'CN=theirs')),
  );
  await using beside = await besideOf(controlPlane, await controlPlane.writeToken());
  assert.equal((await beside.status()).own?.authorities, 1);
  const before = await controlPlane.trusts();
  await comeRotateAndGo(beside, () => peerCertificates(controlPlane));
  assert.deepEqual(await controlPlane.trusts(), before, 'what others made is as it was');
}

async function wrongToken(executable: string): Promise<void> {
  await using controlPlane = await KumaControlPlane.start(executable);
  const token = await controlPlane.writeToken();
  await using beside = await besideOf(controlPlane, token);
  writeFileSync(token, 'no-token-of-yours', { mode: 0o600 });
  const code = async () => (await beside.status()).mesh.code;
  await until('the refusal', async () => (await code()) === 'mesh-unauthenticated');
  await beside.federate();
  await until('the refusal for the peer', async () => (await beside.inMesh())?.state === 'failed');
  assert.equal(await peerCertificates(controlPlane), 0);
  assert.equal((await beside.status()).own?.authorities, 1, 'what was read before stays');
  await controlPlane.writeToken(token);
  await until('the peer in the mesh', async () => (await peerCertificates(controlPlane)) === 1, 75);
  // Writing and reading come back each by themselves.
  await until('nothing refused any more', async () => (await code()) === null, 75);
}

async function loseEverything(executable: string): Promise<void> {
  await using controlPlane = await KumaControlPlane.start(executable);
  const token = await controlPlane.writeToken();
  await using beside = await besideOf(controlPlane, token);
  await beside.federate();
  await until('the peer in the mesh', async () => (await peerCertificates(controlPlane)) === 1);
  const pin = (await beside.status()).own?.pin;
  await controlPlane.stop();
  await until('the loss', async () => (await beside.status()).mesh.code === 'mesh-unreachable');
  assert.equal((await beside.status()).own?.pin, pin, 'what was read before stays');
  // Everything is in memory: it comes back with another CA and another token.
  await controlPlane.run();
  await controlPlane.writeToken(token);
  await until('its new root', async () => (await beside.status()).own?.pin !== pin, 75);
  await until('the peer in the mesh again', async () => (await peerCertificates(controlPlane)) === 1, 75);
}
