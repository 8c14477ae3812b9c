import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ForeignTrust } from '../../src/agent/foreign-trust.ts';
import { createFilesAdapter, type MeshAdapter, MeshAdapterError } from '../../src/mesh-adapters/index.ts';
import { systemRandom } from '../../src/platform/index.ts';
import {
  certificatesFromPem,
  parseTrustDomain,
  pemFromCertificates,
  pinOfKey,
  type TrustBundle,
} from '../../src/spiffe/index.ts';
import { added, relationship, version } from '../store/sample-bundles.ts';
import { openTestStore } from '../../testkit/open-test-store.ts';
import { createRecordingLog } from '../../testkit/recording-log.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { createTestCa, TEST_INSTANT } from '../../testkit/test-ca.ts';
import { until } from '../../testkit/until.ts';
import { TestClock } from '../../testkit/test-clock.ts';

const east = parseTrustDomain('east.example');
const west = parseTrustDomain('west.example');
const north = parseTrustDomain('north.example');

/** A mesh of files that an agent before this one gave the bundles of `west` and `north`. */
async function lostStore() {
  const store = await openTestStore();
  const folder = tempDir();
  const clock = new TestClock(TEST_INSTANT);
  const log = createRecordingLog();
  const [own, westCa, northCa] = [
    await createTestCa({ trustDomain: east }),
    await createTestCa({ trustDomain: west }),
    await createTestCa({ trustDomain: north }),
  ];
  writeFileSync(folder.file('own.pem'), pemFromCertificates([own.root]));
  const create = () =>
    createFilesAdapter({
      trustDomain: east,
      own: { pemFiles: [folder.file('own.pem')] },
      foreignFolder: folder.file('foreign'),
      pollMs: 1000,
      clock,
      log,
    });
  await create().applyForeignTrust([westCa.bundle(), northCa.bundle()], new AbortController().signal);
  const stopping = new AbortController();
  const start = async (adapter: MeshAdapter = create()) => {
    const bundles: TrustBundle[] = [];
    const federation = { bundles: { list: () => bundles }, holding: { reached: () => {} } };
    const trust = new ForeignTrust(
      adapter,
      federation,
      store,
      { clock, random: systemRandom, log, environment: {} },
      stopping.signal,
    );
    const idle = () => until(() => clock.waits().length > 0, 'the comparison');
    await trust.start();
    await idle();
    return {
      trust,
      bundles,
      compare: async () => {
        trust.compare();
        await idle();
        await clock.advance(20);
        await idle();
      },
      names: () => trust.unrecorded.list().map(({ trustDomain }) => trustDomain),
    };
  };
  // After a removal the file holds a root whose private key does not exist.
  const holds = (name: string) => {
    const file = folder.file(`foreign/${name}.pem`);
    const roots = existsSync(file) ? certificatesFromPem(readFileSync(file, 'utf8')) : [];
    const known = [westCa, northCa].map(({ root }) => Buffer.from(root).toString('base64'));
    return roots.some((root) => known.includes(Buffer.from(root).toString('base64')));
  };
  return {
    folder,
    store,
    clock,
    log,
    westCa,
    northCa,
    start,
    holds,
    async [Symbol.asyncDispose]() {
      stopping.abort();
      folder[Symbol.dispose]();
    },
  };
}

describe('An agent whose store is lost', () => {
  it('keeps trust in the mesh that has its mark, and warns', async () => {
    await using mesh = await lostStore();
    const agent = await mesh.start();
    await agent.compare();
    expect([mesh.holds(west), mesh.holds(north)]).toEqual([true, true]);
    expect(agent.names().sort()).toEqual([north, west]);
    expect(agent.trust.unrecorded.warnings()).toEqual([
      expect.objectContaining({ trust_domain: north, code: 'unrecorded-trust' }),
      expect.objectContaining({ trust_domain: west, code: 'unrecorded-trust' }),
    ]);
    const warned = mesh.log.records.filter(({ fields }) => fields['code'] === 'unrecorded-trust');
    expect(warned.map(({ level }) => level)).toEqual(['warn', 'warn']);
    expect(agent.trust.list()).toEqual([]);
  });

  it('continues without a gap once a relationship has a bundle, which can then be removed as any other', async () => {
    await using mesh = await lostStore();
    const agent = await mesh.start();
    const before = readFileSync(mesh.folder.file(`foreign/${west}.pem`), 'utf8');
    const bundle = mesh.westCa.bundle(7n);
    await mesh.store.addRelationship(relationship(west), version(bundle, TEST_INSTANT), added(west));
    agent.bundles.push(bundle);
    await agent.compare();
    expect(readFileSync(mesh.folder.file(`foreign/${west}.pem`), 'utf8')).toBe(before);
    expect(agent.names()).toEqual([north]);
    expect(agent.trust.of(west)).toMatchObject({ state: 'written' });
    agent.bundles.splice(0);
    await agent.compare();
    expect([mesh.holds(west), mesh.holds(north)]).toEqual([false, true]);
  });

  it('takes out what the store has a record of: a removal that had not ended', async () => {
    await using mesh = await lostStore();
    await mesh.store.addRelationship(
      relationship(west),
      version(mesh.westCa.bundle(1n), TEST_INSTANT),
      added(west),
    );
    await mesh.store.removeRelationship(west, { at: TEST_INSTANT, actor: 'operator:1', reason: 'over' });
    const agent = await mesh.start();
    expect([mesh.holds(west), mesh.holds(north)]).toEqual([false, true]);
    expect(agent.names()).toEqual([north]);
  });

  it('drops what the operator does not want, on record and for good', async () => {
    await using mesh = await lostStore();
    const agent = await mesh.start();
    const dropping = agent.trust.dropUnrecorded(west, 'operator:1000');
    await until(() => mesh.clock.waits().includes(20), 'the trigger');
    await mesh.clock.advance(20);
    expect(await dropping).toMatchObject({ state: 'removed', code: 'files-held-by-nobody' });
    expect([mesh.holds(west), mesh.holds(north)]).toEqual([false, true]);
    const events = await mesh.store.events({ trustDomain: west });
    expect(events).toContainEqual(
      expect.objectContaining({ code: 'unrecorded-trust-dropped', actor: 'operator:1000' }),
    );
    await expect(agent.trust.dropUnrecorded(west, 'operator:1000')).rejects.toMatchObject({
      code: 'no-unrecorded-trust',
    });
    // A later start keeps the operator's decision, also where the mesh was restored in between.
    await agent.trust.stop();
    const again = await mesh.start();
    expect(again.names()).toEqual([north]);
  });

  it('gives the keys in the mesh as pins for a new first trust', async () => {
    await using mesh = await lostStore();
    const agent = await mesh.start();
    expect(agent.trust.unrecorded.pinsOf(west)).toEqual([pinOfKey(mesh.westCa.authority.keyFingerprint)]);
    expect(() => agent.trust.unrecorded.pinsOf(east)).toThrowError(
      expect.objectContaining({ code: 'no-unrecorded-trust' }),
    );
  });

  it('keeps a bundle file that it cannot read, and reports that the mesh does not show its roots', async () => {
    await using mesh = await lostStore();
    writeFileSync(mesh.folder.file(`foreign/${west}.json`), 'half a docu');
    const agent = await mesh.start();
    await agent.compare();
    expect(mesh.holds(west)).toBe(true);
    expect(() => agent.trust.unrecorded.pinsOf(west)).toThrowError(
      expect.objectContaining({ code: 'mesh-shows-no-keys' }),
    );
  });

  it('writes nothing into a mesh that it could not read', async () => {
    await using mesh = await lostStore();
    let applied = 0;
    const down: MeshAdapter = {
      kind: 'files',
      scope: 'per-trust-domain',
      watchOwnTrust: async function* () {},
      presentTrust: () => Promise.reject(new MeshAdapterError('mesh-unreachable', 'it is away')),
      applyForeignTrust: async () => {
        applied += 1;
        return [];
      },
      onReport: () => () => {},
      onProgress: () => () => {},
      status: () => ({ connected: false }),
      stop: async () => {},
    };
    const agent = await mesh.start(down);
    await agent.compare();
    expect(applied).toBe(0);
    expect(agent.names()).toEqual([]);
  });
});
