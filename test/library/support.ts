import { once } from 'node:events';
import type { Server } from 'node:net';
import type { AddressInfo } from 'node:net';
import { svidFromPem } from '../../src/mtls/index.ts';
import { BundleSet, type TrustBundle } from '../../src/spiffe/index.ts';
import { TEST_INSTANT, type TestCa } from '../../testkit/test-ca.ts';
import { TestClock } from '../../testkit/test-clock.ts';

type Leaf = Awaited<ReturnType<TestCa['issueLeaf']>>;

/** A leaf of a test CA as an SVID of ours. */
export const svidOf = (leaf: Leaf) => svidFromPem(leaf.certPem, leaf.keyPem);

/** Bundles that a test changes, and a clock at which the test CA's certificates are valid. */
export function trustOf(...held: TrustBundle[]): { bundles: BundleSet; clock: TestClock } {
  return { bundles: new BundleSet(held), clock: new TestClock(TEST_INSTANT) };
}

/** Listens on a free port of loopback. */
export async function portOf(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}
