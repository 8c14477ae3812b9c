import type { WarningDocument } from '../admin/index.ts';
import { type Federation, withoutKeys } from '../federation/index.ts';
import type { Attention } from './attention.ts';
import type { ForeignTrust } from './foreign-trust.ts';
import type { OwnBundle } from './own-bundle.ts';
import { leftOutWarnings } from './left-out-warnings.ts';
import { ownWarnings } from './own-warnings.ts';
import { peerWarnings } from './peer-warnings.ts';
import type { Rotation } from './rotation.ts';
import { stillTrusted } from './still-trusted.ts';

/** The parts that can need an operator's hand. */
export interface AttentionParts {
  readonly federation: Federation;
  readonly foreignTrust: ForeignTrust;
  readonly own: OwnBundle;
  readonly rotation: Rotation;
  readonly now: () => Date;
}

/** Adds the sources of the agent's parts: peers, offers that wait, the mesh, our own roots. */
export function addAttentionSources(attention: Attention, parts: AttentionParts): void {
  const { federation, foreignTrust, own, rotation, now } = parts;
  attention.add('foreign trust', () => stillTrusted(foreignTrust, federation));
  attention.add('peers', () => warningsOfPeers(parts));
  attention.add('bundles of peers', () => leftOutWarnings(federation.leftOut.list()));
  attention.add('offers', () => offersThatWait(federation));
  attention.add('own roots', () =>
    ownWarnings(
      {
        published: own.current,
        reported: own.reported,
        distrusted: federation.distrusts
          .list()
          .filter(({ trustDomain }) => trustDomain === own.current?.trustDomain),
        impossible: rotation.impossible(),
      },
      now(),
    ),
  );
}

function warningsOfPeers({ federation, foreignTrust, now }: AttentionParts): readonly WarningDocument[] {
  const distrusted = federation.distrusts.list();
  return federation.peers.list().flatMap(({ relationship, intervalMs: pollIntervalMs }) => {
    const { trustDomain } = relationship;
    const held = federation.held.bundleFor(trustDomain);
    const keys = federation.bundles.distrustedKeys?.(trustDomain);
    const counts = federation.bundles.bundleFor(trustDomain) !== undefined;
    return peerWarnings(
      {
        relationship,
        held,
        undistrusted: held && keys ? withoutKeys(held, keys) : held,
        distrusted: distrusted.filter((key) => key.trustDomain === trustDomain),
        theirSide: federation.theirSides.of(trustDomain),
        inMesh: counts ? foreignTrust.of(trustDomain) : undefined,
        pollIntervalMs,
      },
      now(),
    );
  });
}

/** Offers that wait for the operator's decision. */
async function offersThatWait(federation: Federation): Promise<readonly WarningDocument[]> {
  const waiting = await federation.reviews.waiting();
  return waiting
    .filter(({ status }) => status !== 'rejected')
    .map(({ relationship, since, message, code }) => ({
      trust_domain: relationship.trustDomain,
      code: 'offer-waits',
      message: `an offered bundle of ${relationship.trustDomain} waits for your decision: ${message} [${code}]`,
      since: since.toISOString(),
    }));
}
