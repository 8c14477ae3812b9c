import { type AnchorIdentities, createNarrowedAnchor, pemFromCertificates } from '../../src/spiffe/index.ts';
import { presentCa } from '../../testkit/agent-process.ts';
import type { TestCa, TestLeafOptions } from '../../testkit/test-ca.ts';
import { type LeafFiles, linkerdName, nowish, PemFolder } from '../support/linkerd-mesh.ts';

/** Which pool a certificate is judged by: our root, and beside it the foreign one in this form. */
export type PoolKind = AnchorIdentities | 'plain';

/** A certificate, and what has to become of it by a pool with a narrowed anchor. */
export interface Case extends LeafFiles {
  /** The head of its column. */
  readonly name: string;
  readonly pool: AnchorIdentities;
  readonly expected: 'accepted' | 'refused';
}

/** Everything that is judged, in files, until the scope ends. */
export interface Cases extends Disposable {
  readonly all: readonly Case[];
  /** The PEM file of each pool. */
  readonly pools: Readonly<Record<PoolKind, string>>;
  /** A leaf of our own trust domain, for a server that has to show something. */
  readonly own: LeafFiles;
}

const OWN = 'own.example';
const WEST = 'west.example';
const ID = (trustDomain: string) => `spiffe://${trustDomain}/ns/shop/sa/web`;

/** What the foreign CA of `west.example` can sign, beside what it may. */
export async function makeCases(): Promise<Cases> {
  const folder = new PemFolder();
  const [own, west] = await Promise.all([presentCa(OWN), presentCa(WEST)]);
  const below = await west.issueIntermediate(nowish());
  const poolWith = (anchor: Uint8Array) => folder.put(pemFromCertificates([own.root, anchor]));
  const narrowed = async (identities: AnchorIdentities) =>
    poolWith(await createNarrowedAnchor(west.authority, west.trustDomain, identities));
  const of =
    (pool: AnchorIdentities) =>
    async (name: string, expected: Case['expected'], ca: TestCa, names: TestLeafOptions): Promise<Case> => ({
      name,
      pool,
      expected,
      ...(await folder.issue(ca, names)),
    });
  const [uri, dns] = [of('uri'), of('dns')];
  const { chain, key } = await uri('', 'accepted', own, { uriSans: [ID(OWN)] });
  return {
    pools: { uri: await narrowed('uri'), dns: await narrowed('dns'), plain: poolWith(west.root) },
    own: { chain, key },
    all: [
      await uri('our ID by our root', 'accepted', own, { uriSans: [ID(OWN)] }),
      await uri('its ID', 'accepted', west, { uriSans: [ID(WEST)] }),
      await uri('its ID, by an intermediate', 'accepted', below, { uriSans: [ID(WEST)] }),
      await uri('our ID', 'refused', west, { uriSans: [ID(OWN)] }),
      await uri('our ID, by an intermediate', 'refused', below, { uriSans: [ID(OWN)] }),
      await uri('its ID and ours', 'refused', west, { uriSans: [ID(WEST), ID(OWN)] }),
      await uri('our DNS name', 'refused', west, { dnsSans: [`web.${OWN}`] }),
      await uri('ID of a sub-domain', 'refused', west, { uriSans: [ID(`sub.${WEST}`)] }),
      await uri('our ID behind its name and port', 'refused', west, {
        uriSans: [`spiffe://${WEST}:1@${OWN}/ns/shop/sa/web`],
      }),
      await dns('its name', 'accepted', west, { dnsSans: [linkerdName(WEST)] }),
      await dns('its name, by an intermediate', 'accepted', below, { dnsSans: [linkerdName(WEST)] }),
      await dns('our name', 'refused', west, { dnsSans: [linkerdName(OWN)] }),
      await dns('its name and ours', 'refused', west, { dnsSans: [linkerdName(WEST), linkerdName(OWN)] }),
      await dns('our ID', 'refused', west, { uriSans: [ID(OWN)] }),
    ],
    [Symbol.dispose]: () => folder[Symbol.dispose](),
  };
}
