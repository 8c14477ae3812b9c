import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type {
  BundleDocument,
  DistrustedDocument,
  RelationshipDocument,
  RemovedDocument,
  StatusDocument,
} from '../../src/admin-client/index.ts';
import { runVerb } from '../../testkit/run-verb.ts';
import { presentCa, until } from '../../testkit/agent-process.ts';
import { type Agents, type RunningAgent, startAgents } from '../../testkit/running-agents.ts';

/** Two agents; the mesh of a can be made unwritable. Each test has a pair of its own, in which a holds the root of b. */
let agents: Agents;
let a: RunningAgent['home'];
let b: RunningAgent['home'];
let ca: RunningAgent['ca'];
let caOfB: RunningAgent['ca'];

beforeEach(async () => {
  agents = await startAgents([
    { trustDomain: 'a.example', profile: 'https_spiffe' },
    { trustDomain: 'b.example', profile: 'https_spiffe' },
  ]);
  const [first, second] = agents.all as [RunningAgent, RunningAgent];
  ({ home: a, ca } = first);
  ({ home: b, ca: caOfB } = second);
  await first.addUntilHeld(second);
});
afterEach(() => agents[Symbol.asyncDispose]());

/** Whether the mesh of `a` has the root of `b`; the root of nobody, which stays where trust has ended, is not it. */
const holdsRoot = () =>
  a.foreign('b.example.pem').replaceAll('\n', '').includes(Buffer.from(caOfB.root).toString('base64'));

/** Runs `work` while nothing can be written into the mesh of `a`. */
async function whileBroken(work: () => Promise<void>): Promise<void> {
  const [folder, away] = [a.file('foreign'), a.file('away')];
  renameSync(folder, away);
  writeFileSync(folder, 'no folder');
  try {
    await work();
  } finally {
    rmSync(folder);
    renameSync(away, folder);
    // Other own roots have the mesh compared at once, however long the pause has grown.
    a.writeRoots(ca, await presentCa('a.example', 'CN=Next'));
  }
}

describe('trust that is taken away while the mesh cannot be written', () => {
  it('federate distrust says that the key may still count there, until it is out', async () => {
    const { answer } = await a.ask<BundleDocument>('bundle', 'show', 'b.example');
    const key = answer.x509_authorities[0]?.key_fingerprint ?? '';
    await whileBroken(async () => {
      const answer = await runVerb('distrust', 'b.example', key, '--socket', a.socket);
      expect(answer).toMatchObject({ code: 1, err: '' });
      expect(answer.out).toMatch(
        /^WARNING: the mesh may still trust the key: .*\[.+\]\. The agent goes on trying/m,
      );
    });
    const inMesh = async () => (await a.ask<RelationshipDocument>('show', 'b.example')).answer.in_mesh;
    await until('the mesh to have let go', async () => (await inMesh())?.state === 'written');
    expect(holdsRoot()).toBe(false);
    await a.ask('trust', 'b.example', key, '--again');
    await until('the root to count again', holdsRoot);
    const done = await a.ask<DistrustedDocument>('distrust', 'b.example', key);
    expect(done).toMatchObject({
      code: 0,
      answer: { in_mesh: { state: 'written' }, mesh_may_still_trust: false },
    });
    expect(holdsRoot()).toBe(false);
  });

  it('federate remove says that the mesh may still trust the peer, as status does until it is gone', async () => {
    await whileBroken(async () => {
      const removed = await runVerb('remove', 'b.example', '--socket', a.socket);
      expect(removed).toMatchObject({ code: 1, err: '' });
      expect(removed.out).toMatch(
        /^b\.example is no longer a peer, but the mesh may still trust it: .*\[.+\]/,
      );
      const warned = await runVerb('status', '--socket', a.socket);
      expect(warned.out).toMatch(
        /^WARNING {2}the mesh may still trust b\.example, .*\[mesh-still-trusts\], since 20/,
      );
    });
    const warnings = async () => (await a.ask<StatusDocument>('status')).answer.warnings;
    await until('the warning to end', async () => (await warnings()).length === 0);
    expect(holdsRoot()).toBe(false);
  });

  it('federate status warns of a stale peer, too, until the mesh has let go of it', async () => {
    const warnings = async () => (await a.ask<StatusDocument>('status')).answer.warnings;
    const ofTheMesh = async () => (await warnings()).filter(({ code }) => code === 'mesh-still-trusts');
    await whileBroken(async () => {
      await a.ask('change', 'b.example', '--peer', `${b.url}nowhere`, '--stale-after', '2s');
      // The reason of the mesh follows the warning.
      const reason = /b\.example, although nothing of it counts now: /;
      await until('the warning', async () => (await ofTheMesh()).some(({ message }) => reason.test(message)));
      expect(await ofTheMesh()).toHaveLength(1);
    });
    await until('the warning to end', async () => (await ofTheMesh()).length === 0);
    expect(await warnings()).toMatchObject([{ trust_domain: 'b.example', code: 'trust-stale' }]);
    expect(holdsRoot()).toBe(false);
  });

  it('federate remove is done when the mesh has let go', async () => {
    const removed = await a.ask<RemovedDocument>('remove', 'b.example');
    expect(removed).toMatchObject({
      code: 0,
      answer: { trust_domain: 'b.example', removed: true, in_mesh: null },
    });
    expect(holdsRoot()).toBe(false);
  });
});
