import { defined } from '../../objects/index.ts';
import { contentDigest, type TrustBundle } from '../../spiffe/index.ts';
import type { Relationship } from '../../store/index.ts';

/** The state of a relationship, as `federate status` shows it. */
export interface RelationshipStatus extends Relationship {
  /** The held bundle, in numbers; absent without one. */
  readonly bundle?: {
    readonly digest: string;
    readonly sequence?: bigint;
    readonly refreshHintSeconds?: number;
    readonly x509Roots: number;
    readonly jwtKeys: number;
    /** When the last of its roots ends. */
    readonly rootsUntil?: Date;
  };
}

/** Joins the relationship with what is held of its bundle. */
export function relationshipStatus(
  relationship: Relationship,
  bundle: TrustBundle | undefined,
): RelationshipStatus {
  if (!bundle) return relationship;
  const { sequence, refreshHintSeconds, x509Authorities, jwtAuthorities } = bundle;
  const ends = x509Authorities.map(({ notAfter }) => notAfter.getTime());
  return {
    ...relationship,
    bundle: {
      digest: contentDigest(bundle),
      x509Roots: x509Authorities.length,
      jwtKeys: jwtAuthorities.length,
      ...defined({ sequence, refreshHintSeconds }),
      ...(ends.length === 0 ? {} : { rootsUntil: new Date(Math.max(...ends)) }),
    },
  };
}
