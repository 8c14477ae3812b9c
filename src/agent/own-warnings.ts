import type { WarningDocument } from '../admin/index.ts';
import type { DistrustedKey } from '../store/index.ts';
import type { TrustBundle } from '../spiffe/index.ts';
import { endOfRoots, labelOf, whenText } from './root-ends.ts';

/** Our own roots and keys, as far as they need a hand. */
export interface OwnFacts {
  /** What we publish. */
  readonly published: TrustBundle | undefined;
  /** The mesh's last report, distrusted keys included. */
  readonly reported: TrustBundle | undefined;
  readonly distrusted: readonly DistrustedKey[];
  /** The impossible parts of our root rotation, with the instant at which each was found. */
  readonly impossible: readonly Pick<WarningDocument, 'code' | 'message' | 'since'>[];
}

/** Lists the warnings about our own roots. Pure. */
export function ownWarnings(facts: OwnFacts, now: Date): readonly WarningDocument[] {
  const { published, reported, distrusted, impossible } = facts;
  const about = impossible.map((finding) => ({ trust_domain: null, ...finding }));
  if (!published) return about;
  return [
    ...about,
    ...withoutRoots(published, reported ?? published, distrusted),
    ...endingRoots(published, now),
  ];
}

/** Every root is distrusted: peers with this bundle refuse every X509-SVID of ours. */
function withoutRoots(
  published: TrustBundle,
  reported: TrustBundle,
  distrusted: readonly DistrustedKey[],
): WarningDocument[] {
  if (published.x509Authorities.length > 0 || distrusted.length === 0) return [];
  if (reported.x509Authorities.length === 0 && published !== reported) return [];
  const newest = distrusted.reduce((last, each) => (each.at > last.at ? each : last));
  return [
    {
      trust_domain: null,
      code: 'own-keys-distrusted',
      message: `we publish no root: every root of ${published.trustDomain} is distrusted here, and peers refuse every X509-SVID of ours`,
      since: newest.at.toISOString(),
    },
  ];
}

function endingRoots({ trustDomain, x509Authorities }: TrustBundle, now: Date): WarningDocument[] {
  const end = endOfRoots(x509Authorities, now);
  if (end?.ended) {
    return [
      {
        trust_domain: null,
        code: 'own-root-ended',
        message: `every root of ${trustDomain} has ended, the last one (${end.label}) at ${end.at.toISOString()}: peers refuse every X509-SVID of ours`,
        since: end.since.toISOString(),
      },
    ];
  }
  const dead = x509Authorities.filter(({ notAfter }) => notAfter <= now);
  return [
    ...(end
      ? [
          {
            trust_domain: null,
            code: 'own-root-ends' as const,
            message: `the last root of ${trustDomain} (${end.label}) ends ${whenText(end, now)}, and no root after it is published`,
            since: end.since.toISOString(),
          },
        ]
      : []),
    ...dead.map((root) => ({
      trust_domain: null,
      code: 'own-root-ended' as const,
      message: `our root ${labelOf(root)} ended at ${root.notAfter.toISOString()}, and the mesh still reports it`,
      since: root.notAfter.toISOString(),
    })),
  ];
}
