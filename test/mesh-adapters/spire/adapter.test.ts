import { status } from '@grpc/grpc-js';
import { rmSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { bundleOf } from '../../../src/spiffe/index.ts';
import { meshAdapterContract } from '../../../testkit/contract/mesh-adapter-contract.ts';
import { createTestCa, TEST_INSTANT, type TestCa } from '../../../testkit/test-ca.ts';
import { TestClock } from '../../../testkit/test-clock.ts';
import { createTokenKey } from '../../../testkit/test-tokens.ts';
import { untilHealed } from '../until.ts';
import { until } from '../../../testkit/until.ts';
import { openSpire, relationshipOf, spireBundle, trustDomain } from './spire-harness.ts';

const { signal } = new AbortController();

meshAdapterContract('createSpireAdapter()', () => openSpire());

describe('createSpireAdapter()', () => {
  it('reads roots and JWT keys, leaves out the tainted, and reports nothing new for another order', async () => {
    await using mesh = await openSpire();
    const [next, bad] = [await createTestCa({ trustDomain }), await createTestCa({ trustDomain })];
    const [k1, k2] = [createTokenKey('P-256', 'k1').authority, createTokenKey('rsa-2048', 'k2').authority];
    const bundle = spireBundle(
      bundleOf(trustDomain, [mesh.own.authority, next.authority, bad.authority], {
        jwtAuthorities: [k1, k2],
      }),
    );
    mesh.spire.own = {
      ...bundle,
      x509_authorities: bundle.x509_authorities.map((each) => ({
        ...each,
        tainted: each.asn1.equals(Buffer.from(bad.root)),
      })),
    };
    const ended = new AbortController();
    let count = 0;
    for await (const own of mesh.adapter.watchOwnTrust(ended.signal)) {
      count += 1;
      expect(own.roots.map(({ fingerprint }) => fingerprint).toSorted()).toEqual(
        [mesh.own, next].map(({ authority }) => authority.fingerprint).toSorted(),
      );
      expect(own.jwtAuthorities?.toSorted((a, b) => (a.keyId < b.keyId ? -1 : 1))).toEqual([k1, k2]);
      const before = mesh.spire.calls.length;
      await until(() => mesh.spire.calls.length > before + 10, 'ten more looks');
      ended.abort();
    }
    expect(count).toBe(1);
  });

  it('writes roots, JWT keys, sequence and hint, and nothing for a higher sequence of the same content', async () => {
    await using mesh = await openSpire();
    const west = await createTestCa({ trustDomain: 'west.example' });
    const { authority } = createTokenKey('P-256', 'k1');
    const bundle = (sequence: bigint) =>
      bundleOf(west.trustDomain, [west.authority], {
        jwtAuthorities: [authority],
        sequence,
        refreshHintSeconds: 300,
      });
    await mesh.adapter.applyForeignTrust([bundle(2n ** 64n - 1n)], signal);
    expect(mesh.spire.federated.get('west.example')).toMatchObject({
      sequence_number: '18446744073709551615',
      refresh_hint: '300',
      jwt_authorities: [{ key_id: 'k1' }],
    });
    const before = mesh.spire.calls.filter((call) => call === 'BatchSetFederatedBundle').length;
    await mesh.adapter.applyForeignTrust([bundle(1n)], signal);
    expect(mesh.spire.calls.filter((call) => call === 'BatchSetFederatedBundle')).toHaveLength(before);
  });

  it('never pushes what SPIRE polls by itself, and lets go of a bundle that it begins to poll', async () => {
    await using mesh = await openSpire();
    const west = await createTestCa({ trustDomain: 'west.example' });
    expect(await mesh.adapter.applyForeignTrust([west.bundle()], signal)).toMatchObject([
      { state: 'accepted' },
    ]);
    mesh.spire.relationships.set('west.example', relationshipOf('west.example'));
    const before = await mesh.state();
    expect(await mesh.adapter.applyForeignTrust([west.bundle()], signal)).toMatchObject([
      { state: 'refused', code: 'trust-domain-taken' },
    ]);
    expect(await mesh.adapter.applyForeignTrust([], signal)).toEqual([]);
    expect(await mesh.state()).toBe(before);
  });

  it('sees what SPIRE polls by its configuration file, asks once, and pushes when that has ended', async () => {
    await using mesh = await openSpire();
    const [west, north] = [
      await createTestCa({ trustDomain: 'west.example' }),
      await createTestCa({ trustDomain: 'north.example' }),
    ];
    const questions = () => mesh.spire.calls.filter((call) => call === 'RefreshBundle').length;
    const apply = () => mesh.adapter.applyForeignTrust([west.bundle(), north.bundle()], signal);
    mesh.spire.polledByFile.add('west.example');
    const taken = { state: 'refused', code: 'trust-domain-taken', message: /federates_with/ };
    expect((await apply())[0]).toMatchObject({
      ...taken,
      message: expect.stringMatching(taken.message),
    });
    expect(await apply()).toMatchObject([{ code: 'trust-domain-taken' }, { state: 'accepted' }]);
    const asked = questions();
    await apply();
    // West once more, to see when it ends; north is known to be free.
    expect(questions()).toBe(asked + 1);
    expect(await mesh.held()).toEqual({ 'north.example': [north.authority.keyFingerprint] });
    mesh.spire.polledByFile.delete('west.example');
    expect(await apply()).toMatchObject([{ state: 'accepted' }, { state: 'accepted' }]);
    const quiet = questions();
    await apply();
    expect(questions()).toBe(quiet);
  });

  it('asks again after ten minutes, because SPIRE may have restarted in between', async () => {
    const clock = new TestClock(TEST_INSTANT);
    await using mesh = await openSpire({ clock });
    const west = await createTestCa({ trustDomain: 'west.example' });
    const apply = () => mesh.adapter.applyForeignTrust([west.bundle()], signal);
    await apply();
    mesh.spire.polledByFile.add('west.example');
    expect(await apply()).toMatchObject([{ state: 'accepted' }]);
    await clock.advance(600_000);
    expect(await apply()).toMatchObject([{ state: 'refused', code: 'trust-domain-taken' }]);
  });

  it('does not delete a bundle of its own that SPIRE’s configuration file has taken over', async () => {
    await using mesh = await openSpire();
    const west = await createTestCa({ trustDomain: 'west.example' });
    await mesh.adapter.applyForeignTrust([west.bundle()], signal);
    mesh.spire.polledByFile.add('west.example');
    await mesh.adapter.applyForeignTrust([], signal);
    expect(Object.keys(await mesh.held())).toEqual(['west.example']);
    mesh.spire.polledByFile.delete('west.example');
    await mesh.adapter.applyForeignTrust([], signal);
    expect(Object.keys(await mesh.held())).toEqual(['west.example']);
  });

  it('continues when SPIRE does not answer in time whether it polls, as with a silent endpoint', async () => {
    const clock = new TestClock(TEST_INSTANT);
    await using mesh = await openSpire({ clock });
    const west = await createTestCa({ trustDomain: 'west.example' });
    mesh.spire.fault = (call) => (call === 'RefreshBundle' ? 'silence' : undefined);
    let reports: unknown;
    const applying = mesh.adapter.applyForeignTrust([west.bundle()], signal).then((all) => (reports = all));
    await untilHealed(clock, () => reports !== undefined, 'the end of patience');
    await applying;
    expect(reports).toMatchObject([{ state: 'refused', code: 'trust-domain-taken' }]);
    expect(mesh.spire.federated.size).toBe(0);
  });

  it('writes nothing to a server of another trust domain, before and after a restart of the agent', async () => {
    await using mesh = await openSpire();
    const west = await createTestCa({ trustDomain: 'west.example' });
    await mesh.adapter.applyForeignTrust([west.bundle()], signal);
    const before = mesh.spire.own;
    const state = await mesh.state();
    mesh.spire.own = { ...before, trust_domain: 'other.example' };
    const changed = { code: 'own-trust-domain-changed', message: /other\.example.*spire\.example/ };
    for (const adapter of [mesh.adapter, mesh.create(), mesh.create({ trustDomain })]) {
      await expect(adapter.applyForeignTrust([], signal)).rejects.toMatchObject({
        ...changed,
        message: expect.stringMatching(changed.message),
      });
      expect(adapter.status()).toMatchObject({ connected: false, code: changed.code });
    }
    expect(await mesh.state()).toBe(state);
    mesh.spire.own = before;
    expect(await mesh.adapter.applyForeignTrust([], signal)).toMatchObject([{ state: 'removed' }]);
    expect(mesh.adapter.status().connected).toBe(true);
  });

  it('leaves bundles of others alone, reads all pages of them, and overwrites none', async () => {
    await using mesh = await openSpire();
    const names = ['a', 'b', 'c', 'd', 'e'].map((name) => `${name}.example`);
    for (const name of names)
      mesh.spire.federated.set(name, spireBundle((await createTestCa({ trustDomain: name })).bundle()));
    const before = await mesh.state();
    const e = await createTestCa({ trustDomain: 'e.example' });
    expect(await mesh.adapter.applyForeignTrust([e.bundle()], signal)).toMatchObject([
      { state: 'refused', code: 'trust-domain-taken' },
    ]);
    await mesh.adapter.applyForeignTrust([], signal);
    expect(await mesh.state()).toBe(before);
  });

  it('takes its bundles over after its file was lost, if they are as wanted', async () => {
    await using mesh = await openSpire();
    const west = await createTestCa({ trustDomain: 'west.example' });
    await mesh.adapter.applyForeignTrust([west.bundle()], signal);
    rmSync(mesh.folder.file('owned.json'));
    expect(await mesh.create().applyForeignTrust([west.bundle()], signal)).toMatchObject([
      { state: 'accepted' },
    ]);
    expect(await mesh.adapter.applyForeignTrust([], signal)).toMatchObject([{ state: 'removed' }]);
    expect(mesh.spire.federated.size).toBe(0);
  });

  it('touches nothing where the file is not its own', async () => {
    await using mesh = await openSpire();
    const west = await createTestCa({ trustDomain: 'west.example' });
    for (const text of [
      'no',
      '{}',
      '{"trustDomains":["Not A Name"]}',
      '{"trustDomains":[7]}',
      '{"trustDomains":[],"relationships":"all"}',
      '{"trustDomains":[],"server":"Not A Name"}',
    ]) {
      writeFileSync(mesh.folder.file('owned.json'), text);
      await expect(mesh.adapter.applyForeignTrust([west.bundle()], signal)).rejects.toMatchObject({
        code: 'file-not-ours',
      });
    }
    expect(mesh.spire.federated.size).toBe(0);
  });

  it('removes a bundle that registration entries federate with, keeps the entries, and reports it', async () => {
    await using mesh = await openSpire();
    const west = await createTestCa({ trustDomain: 'west.example' });
    await mesh.adapter.applyForeignTrust([west.bundle()], signal);
    mesh.spire.entries = [['west.example', 'north.example'], ['north.example']];
    expect(await mesh.adapter.applyForeignTrust([], signal)).toMatchObject([
      { trustDomain: 'west.example', state: 'removed', code: 'entries-dissociated' },
    ]);
    expect(mesh.spire.entries).toEqual([['north.example'], ['north.example']]);
    expect(mesh.spire.federated.size).toBe(0);
  });

  it('revokes all with an empty bundle, so that registration entries need not be written again', async () => {
    await using mesh = await openSpire();
    const west = await createTestCa({ trustDomain: 'west.example' });
    await mesh.adapter.applyForeignTrust([west.bundle()], signal);
    mesh.spire.entries = [['west.example']];
    await mesh.adapter.applyForeignTrust([bundleOf(west.trustDomain, [])], signal);
    expect(mesh.spire.federated.get('west.example')?.x509_authorities).toEqual([]);
    expect(mesh.spire.entries).toEqual([['west.example']]);
  });

  it('keeps what a refused bundle still lists of the present roots, and adds none of its JWT keys', async () => {
    await using mesh = await openSpire();
    const west = await createTestCa({ trustDomain: 'west.example' });
    const [k1, k2] = [createTokenKey('P-256', 'k1').authority, createTokenKey('P-256', 'k2').authority];
    await mesh.adapter.applyForeignTrust(
      [bundleOf(west.trustDomain, [west.authority], { jwtAuthorities: [k1] })],
      signal,
    );
    const stolen = bundleOf(west.trustDomain, [west.authority, mesh.own.authority], {
      jwtAuthorities: [k1, k2],
    });
    expect(await mesh.adapter.applyForeignTrust([stolen], signal)).toMatchObject([
      { state: 'refused', code: 'root-is-own' },
    ]);
    expect(await mesh.held()).toEqual({ 'west.example': [west.authority.keyFingerprint] });
    const there = mesh.spire.federated.get('west.example');
    expect(there?.jwt_authorities.map(({ key_id: id }) => id)).toEqual(['k1']);
  });
});

describe('writeForeignTrust() of SPIRE', () => {
  it('reports what SPIRE refuses of one trust domain, and writes the others', async () => {
    await using mesh = await openSpire();
    const [west, north, south] = (await Promise.all(
      ['west.example', 'north.example', 'south.example'].map((name) => createTestCa({ trustDomain: name })),
    )) as [TestCa, TestCa, TestCa];
    mesh.spire.refuse = (name) => {
      if (name === 'west.example') return { code: status.INVALID_ARGUMENT, message: 'no such luck' };
      return name === 'north.example' ? { code: status.INTERNAL, message: 'disk' } : undefined;
    };
    const reports = await mesh.adapter.applyForeignTrust(
      [west.bundle(), north.bundle(), south.bundle()],
      signal,
    );
    expect(reports).toMatchObject([
      { state: 'refused', code: 'mesh-refused', message: expect.stringContaining('no such luck') },
      { state: 'failed', code: 'mesh-unavailable' },
      { state: 'accepted' },
    ]);
    mesh.spire.refuse = () => undefined;
    const healed = await mesh.adapter.applyForeignTrust([west.bundle(), north.bundle()], signal);
    expect(healed.map(({ state }) => state)).toEqual(['accepted', 'accepted', 'removed']);
  });

  it('takes out what a bundle no longer lists although SPIRE cannot read what is new in it', async () => {
    await using mesh = await openSpire();
    const [old, kept, odd] = (await Promise.all(
      [1, 2, 3].map(() => createTestCa({ trustDomain: 'west.example' })),
    )) as [TestCa, TestCa, TestCa];
    const of = (...cas: TestCa[]) =>
      bundleOf(
        old.trustDomain,
        cas.map(({ authority }) => authority),
      );
    mesh.spire.refuse = (_, bundle) =>
      bundle?.x509_authorities.some(({ asn1 }) => asn1.equals(Buffer.from(odd.root)))
        ? { code: status.INVALID_ARGUMENT, message: 'x509: negative serial number' }
        : undefined;
    const refused = [{ state: 'refused', code: 'mesh-refused' }];
    for (const endpoints of [
      undefined,
      () => ({ url: 'https://w/', profile: { kind: 'https_web' } as const }),
    ]) {
      const adapter = mesh.create({ endpoints });
      await adapter.applyForeignTrust([of(old, kept)], signal);
      expect(await adapter.applyForeignTrust([of(kept, odd)], signal)).toMatchObject(refused);
      expect(await mesh.held()).toEqual({ 'west.example': [kept.authority.keyFingerprint] });
      const before = await mesh.state();
      expect(await adapter.applyForeignTrust([of(kept, odd)], signal)).toMatchObject(refused);
      expect(await mesh.state()).toBe(before);
      expect(await adapter.applyForeignTrust([of(odd)], signal)).toMatchObject(refused);
      expect(await mesh.held()).toEqual({});
      await adapter.applyForeignTrust([], signal);
    }
  });

  it.each([
    [status.PERMISSION_DENIED, 'mesh-forbidden'],
    [status.UNAVAILABLE, 'mesh-unreachable'],
    [status.INTERNAL, 'mesh-unavailable'],
    [status.UNIMPLEMENTED, 'mesh-refused'],
    [status.ABORTED, 'mesh-conflict'],
  ])('changes nothing and reports the reason when a call fails with status %i (%s), and recovers', async (code, name) => {
    await using mesh = await openSpire();
    const west = await createTestCa({ trustDomain: 'west.example' });
    mesh.spire.fault = (call) =>
      call === 'BatchSetFederatedBundle' ? { code, message: 'no such luck' } : undefined;
    const why = { code: name, message: expect.stringContaining('no such luck') as string };
    const state = name === 'mesh-refused' ? 'refused' : 'failed';
    expect(await mesh.adapter.applyForeignTrust([west.bundle()], signal)).toMatchObject([
      { trustDomain: 'west.example', state, ...why },
    ]);
    expect(mesh.adapter.status()).toMatchObject(
      name === 'mesh-refused' ? { connected: true } : { connected: false, code: name },
    );
    expect(mesh.spire.federated.size).toBe(0);
    mesh.spire.fault = () => undefined;
    expect(await mesh.adapter.applyForeignTrust([west.bundle()], signal)).toMatchObject([
      { state: 'accepted' },
    ]);
    expect(mesh.adapter.status().connected).toBe(true);
  });

  it('fails as a whole where SPIRE does not accept our credentials, and recovers', async () => {
    await using mesh = await openSpire();
    const west = await createTestCa({ trustDomain: 'west.example' });
    mesh.spire.fault = (call) =>
      call === 'BatchSetFederatedBundle' ? { code: status.UNAUTHENTICATED, message: 'who?' } : undefined;
    await expect(mesh.adapter.applyForeignTrust([west.bundle()], signal)).rejects.toMatchObject({
      code: 'mesh-unauthenticated',
    });
    expect(mesh.adapter.status()).toMatchObject({ connected: false, code: 'mesh-unauthenticated' });
    mesh.spire.fault = () => undefined;
    expect(await mesh.adapter.applyForeignTrust([west.bundle()], signal)).toMatchObject([
      { state: 'accepted' },
    ]);
    expect(mesh.adapter.status().connected).toBe(true);
  });

  it('puts right what a restored backup lost or brought back, and what was changed by hand', async () => {
    await using mesh = await openSpire();
    const [west, north] = [
      await createTestCa({ trustDomain: 'west.example' }),
      await createTestCa({ trustDomain: 'north.example' }),
    ];
    await mesh.adapter.applyForeignTrust([west.bundle(), north.bundle()], signal);
    mesh.spire.federated.delete('west.example');
    mesh.spire.federated.set('north.example', spireBundle(bundleOf(north.trustDomain, [west.authority])));
    await mesh.adapter.applyForeignTrust([west.bundle(), north.bundle()], signal);
    expect(await mesh.held()).toEqual({
      'west.example': [west.authority.keyFingerprint],
      'north.example': [north.authority.keyFingerprint],
    });
  });

  it('does not disturb another agent of ours that wants the same', async () => {
    await using mesh = await openSpire();
    const twin = mesh.create({ ownedFile: mesh.folder.file('twin.json') });
    const [old, next] = [
      await createTestCa({ trustDomain: 'west.example' }),
      await createTestCa({ trustDomain: 'west.example' }),
    ];
    for (const bundle of [old.bundle(), next.bundle()]) {
      const reports = await Promise.all(
        [mesh.adapter, twin].map((adapter) => adapter.applyForeignTrust([bundle], signal)),
      );
      expect(reports.flat().map(({ state }) => state)).toEqual(['accepted', 'accepted']);
    }
    expect(await mesh.held()).toEqual({ 'west.example': [next.authority.keyFingerprint] });
  });
});
