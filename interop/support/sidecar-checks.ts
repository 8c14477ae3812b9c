import { existsSync, rmSync } from 'node:fs';
import { tempDir } from '../../testkit/temp-dir.ts';
import type { InteropCheck } from './program.ts';
import { check, until } from './until.ts';
import { EnvoyWorld, FOREIGN_CALLER, OneSecret, OWN_CALLER, plainPool } from './envoy-world.ts';
import { presentCa } from '../../testkit/agent-process.ts';

/** Both callers are let in by `trust`, and neither trust domain's CA can speak for the other. */
async function keepsApart(binary: string, trust: string, delta = false): Promise<void> {
  using folder = tempDir();
  await using world = await EnvoyWorld.open(folder.path);
  await world.startEnvoy(binary, trust, { delta });
  const { a, b } = world;
  check(await world.call(await world.leafOf(b, '/caller')), `${FOREIGN_CALLER} of its own CA is let in`);
  const below = await b.issueIntermediate({
    notBefore: new Date(Date.now() - 3_600_000),
    notAfter: new Date(Date.now() + 3_600_000),
  });
  check(await world.call(await world.leafOf(below, '/caller')), 'and through an intermediate');
  check(
    !(await world.call(await world.leafOf(b, '/other'))),
    'another of its IDs is not, for it is not listed',
  );
  const forged = await world.leafOf(b, '/caller', { uriSans: [OWN_CALLER] });
  check(!(await world.call(forged)), `${OWN_CALLER} signed by the foreign CA is refused`);
  const forgedBelow = await world.leafOf(below, '/caller', { uriSans: [OWN_CALLER] });
  check(!(await world.call(forgedBelow)), 'and through an intermediate');
  const nameless = await world.leafOf(b, '/caller', { uriSans: [], dnsSans: ['a.example'] });
  check(!(await world.call(nameless)), 'a certificate without an ID is refused');
  check(await world.call(await world.leafOf(a, '/caller')), 'our own caller is let in still');
}

/** What Envoy does as a sidecar that is fed by the workload socket of an agent. */
export const sidecarChecks: readonly InteropCheck[] = [
  {
    name: 'SPIFFE validator, one bundle per trust domain (ALL): a cross-domain forgery is refused',
    run: (binary) => keepsApart(binary, 'ALL'),
  },
  {
    name: 'the same over incremental SDS (DeltaSecrets)',
    run: (binary) => keepsApart(binary, 'ALL', true),
  },
  {
    name: 'merged trusted_ca with narrowed anchors (MERGED): the forgery is refused',
    run: (binary) => keepsApart(binary, 'MERGED'),
  },
  {
    name: 'merged trusted_ca with the plain root: the same forgery is let in, so narrowing is what holds',
    run: async (binary) => {
      using folder = tempDir();
      await using world = await EnvoyWorld.open(folder.path);
      await using plain = new OneSecret(plainPool('PLAIN', world.a, world.b));
      const socket = folder.file('plain.sock');
      await plain.server.start(socket);
      await world.startEnvoy(binary, 'PLAIN', { trustSocket: socket });
      check(await world.call(await world.leafOf(world.b, '/caller')), 'the genuine foreign caller is let in');
      const forged = await world.leafOf(world.b, '/caller', { uriSans: [OWN_CALLER] });
      check(await world.call(forged), 'the forgery is let in by a pool of plain roots');
    },
  },
  {
    name: 'a root rotates under calls with a new handshake each: none fails, and the old root ends',
    run: async (binary) => {
      using folder = tempDir();
      await using world = await EnvoyWorld.open(folder.path);
      await world.startEnvoy(binary, 'ALL');
      const next = await presentCa('b.example', 'CN=B2');
      let signer = world.b;
      const counts = { calls: 0, failed: 0 };
      let running = true;
      const traffic = (async () => {
        while (running) {
          counts.calls += 1;
          if (!(await world.call(await world.leafOf(signer, '/caller')))) counts.failed += 1;
        }
      })();
      const more = (calls: number) => {
        const goal = counts.calls + calls;
        return until(`${calls} more calls`, () => counts.calls >= goal);
      };
      const both = world.b.bundle();
      await more(20);
      world.foreign = [{ ...both, x509Authorities: [world.b.authority, next.authority] }];
      await world.server.refresh();
      await world.settled();
      signer = next;
      await more(20);
      world.foreign = [next.bundle()];
      await world.server.refresh();
      await world.settled();
      await more(20);
      running = false;
      await traffic;
      check(counts.failed === 0, `all ${counts.calls} calls succeed; ${counts.failed} failed`);
      check(!(await world.call(await world.leafOf(world.b, '/caller'))), 'the retired root lets nobody in');
    },
  },
  {
    name: 'a removed peer ends: no new handshake, under ALL, MERGED and spiffe://td',
    run: async (binary) => {
      using folder = tempDir();
      for (const trust of ['ALL', 'MERGED']) {
        await using world = await EnvoyWorld.open(folder.path);
        await world.startEnvoy(binary, trust);
        const caller = await world.leafOf(world.b, '/caller');
        check(await world.call(caller), `the peer is let in under ${trust}`);
        world.foreign = [];
        await world.server.refresh();
        await world.settled();
        check(!(await world.call(caller)), `the removed peer is refused under ${trust}`);
      }
      await using world = await EnvoyWorld.open(folder.path);
      const { a, b } = world;
      // The Envoy starts with its own trust domain under that name, which the peer then takes away from it.
      await world.startEnvoy(binary, 'spiffe://a.example');
      check(!(await world.call(await world.leafOf(b, '/caller'))), 'one trust domain lets in its own only');
      world.foreign = [{ ...a.bundle(), trustDomain: a.trustDomain }];
      world.own = b.bundle();
      await world.server.refresh();
      await world.settled();
      const caller = await world.leafOf(a, '/caller');
      check(await world.call(caller), 'as a peer it is let in');
      world.foreign = [];
      await world.server.refresh();
      await world.settled();
      check(!(await world.call(caller)), 'the removed peer is refused under its own name');
    },
  },
  {
    name: 'while the agent is away Envoy goes on with what it has, and hears of a peer that was removed meanwhile; so it does when the socket’s file was taken away',
    run: async (binary) => {
      using folder = tempDir();
      await using world = await EnvoyWorld.open(folder.path);
      await world.startEnvoy(binary, 'ALL');
      await world.settled();
      const caller = await world.leafOf(world.b, '/caller');
      await world.server.stop();
      check(await world.call(caller), 'the peer is let in while the agent is away');
      const removed = world.foreign;
      world.foreign = [];
      await world.restartServer();
      await until('the removed peer is refused', async () => !(await world.call(caller)));
      check(await world.call(await world.leafOf(world.a, '/caller')), 'our own caller is let in');
      rmSync(world.socket);
      world.foreign = [...removed];
      await world.server.refresh();
      await until('the peer is let in again', () => world.call(caller));
      await until('the socket’s file is there again', () => existsSync(world.socket));
      await world.server.stop();
      world.foreign = [];
      await world.restartServer();
      await until('the removed peer is refused', async () => !(await world.call(caller)));
    },
  },
  {
    name: 'a secret that Envoy refuses (NACK) is told with its reason, and the last good one stays',
    run: async (binary) => {
      using folder = tempDir();
      await using world = await EnvoyWorld.open(folder.path);
      const good = plainPool('TRUST', world.a, world.b);
      await using trust = new OneSecret(good);
      const socket = folder.file('trust.sock');
      await trust.server.start(socket);
      await world.startEnvoy(binary, 'TRUST', { trustSocket: socket });
      trust.replace({ name: 'TRUST', kind: 'merged-validation', trustedCaPem: 'no PEM', allowedUriSans: [] });
      const { refused } = await until('a refusal', () =>
        trust.server.proxySecrets().find((each) => each.refused !== undefined),
      );
      check(
        refused?.includes('TRUST') === true || /certificate|PEM|load/i.test(refused ?? ''),
        `it says why: ${refused}`,
      );
      check(await world.call(await world.leafOf(world.b, '/caller')), 'the last good one stays');
      trust.replace(plainPool('TRUST', world.a));
      await until('the next good one', () => trust.server.proxySecrets().every(({ current }) => current));
      check(!(await world.call(await world.leafOf(world.b, '/caller'))), 'the next good one is taken');
    },
  },
];
