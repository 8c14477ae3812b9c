import { createHash } from 'node:crypto';
import { bundleOf, parseTrustDomain, type TrustBundle, type X509Authority } from '../src/spiffe/index.ts';
import { createTestCa } from './test-ca.ts';

/** The name of every peer here; it comes before `west.example` in every order. */
const NAME = 'a-copycat.example';
const trustDomain = parseTrustDomain(NAME);

async function roots(count: number): Promise<X509Authority[]> {
  const made: X509Authority[] = [];
  for (let index = 0; index < count; index += 1)
    made.push((await createTestCa({ trustDomain: NAME, subject: `O=${NAME},CN=Root ${index}` })).authority);
  return made;
}

/** A root as a store of an older version may hold it: no certificate at all. */
async function unreadable(): Promise<X509Authority> {
  const { authority } = await createTestCa({ trustDomain: NAME });
  const der = Uint8Array.from([0x30, 0x03, 0x02, 0x01, 0x01]);
  return { ...authority, der, fingerprint: createHash('sha256').update(der).digest('hex') };
}

/** Roots with names so long that their anchors are long too. */
async function longRoots(count: number): Promise<X509Authority[]> {
  const made: X509Authority[] = [];
  for (let index = 0; index < count; index += 1) {
    const subject = `OU=${'u'.repeat(60_000)},CN=Root ${index}`;
    made.push((await createTestCa({ trustDomain: NAME, subject })).authority);
  }
  return made;
}

/** Peers that a mesh cannot be given, each with the code that says why. */
export const HOSTILE_PEERS: readonly (readonly [
  what: string,
  make: () => Promise<TrustBundle>,
  code: string,
])[] = [
  [
    'a root that cannot be read',
    async () => bundleOf(trustDomain, [await unreadable()]),
    'root-not-renderable',
  ],
  [
    'a root that cannot be read next to one that can',
    async () => bundleOf(trustDomain, [...(await roots(1)), await unreadable()]),
    'root-not-renderable',
  ],
  ['a hundred and one roots', async () => bundleOf(trustDomain, await roots(101)), 'too-many-roots'],
  ['roots of half a megabyte', async () => bundleOf(trustDomain, await longRoots(9)), 'bundle-too-large'],
];
