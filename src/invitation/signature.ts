import { defined } from '../objects/index.ts';
import {
  type BundleSource,
  type JsonObject,
  signStatement,
  StatementError,
  type StatementType,
  verifyStatement,
} from '../spiffe/index.ts';
import { InvitationError } from './errors.ts';
import type { OwnIdentity } from './own-side.ts';
import type { InvitationParts } from './parts.ts';
import type { SideTerms } from './side.ts';

/** The state of an invitation, in the words of the inviter. */
export type InvitationStatus = 'completed' | 'awaiting-approval' | 'ended';

/**
 * What a signature is for: the inviter's first half, the whole transcript, of either side, or the
 * newcomer's later question about the state.
 */
type SignatureKind = 'offer' | 'transcript' | 'question';

const TYPES: Readonly<Record<SignatureKind, StatementType>> = {
  offer: 'federate-invitation-offer+jws',
  transcript: 'federate-invitation+jws',
  question: 'federate-invitation-question+jws',
};
/** A signature is used at once; the rest is for clocks that differ. */
const LASTS_MS = 300_000;

/** The signer, the receiver and the content. */
interface Signed {
  readonly kind: SignatureKind;
  readonly role: SideTerms['role'];
  readonly invitationId: string;
  /** The trust domain of the other side. */
  readonly audience: string;
  readonly transcript: Uint8Array;
  readonly now: Date;
}

/** Our signature over a transcript, with the state of the invitation where we are the inviter. */
export function signTranscript(
  { svid }: OwnIdentity,
  signed: Signed & { readonly status?: InvitationStatus },
): Promise<string> {
  const { kind, role, invitationId, audience, transcript, now, status } = signed;
  return signStatement({
    type: TYPES[kind],
    signer: svid,
    audience,
    issuedAt: now,
    expiresAt: new Date(now.getTime() + LASTS_MS),
    claims: {
      role,
      invitation: invitationId,
      transcript: Buffer.from(transcript).toString('hex'),
      ...defined({ status }),
    },
  });
}

/** The inviter's signature over a transcript and the state of the invitation, for the newcomer. */
export function signStatus(
  { clock }: InvitationParts,
  signed: {
    readonly identity: OwnIdentity;
    readonly invitationId: string;
    readonly to: Pick<SideTerms, 'trustDomain'>;
    readonly transcript: Uint8Array;
    readonly status: InvitationStatus;
  },
): Promise<string> {
  const { identity, invitationId, to, transcript, status } = signed;
  return signTranscript(identity, {
    kind: 'transcript',
    role: 'inviter',
    invitationId,
    audience: to.trustDomain,
    transcript,
    now: clock.now(),
    status,
  });
}

/**
 * Proves the other side's signature over a transcript, by those bundles and no others. Returns what
 * it claims. Rejects with `InvitationError` `inviter-unproved`, `newcomer-unproved`.
 */
export async function proveTranscript(
  token: string,
  expected: Signed & {
    readonly peer: Pick<SideTerms, 'trustDomain' | 'agentId'>;
    readonly bundles: BundleSource;
  },
): Promise<JsonObject> {
  const { kind, role, invitationId, audience, transcript, now, peer, bundles } = expected;
  const refusal = (why: string, cause?: unknown) =>
    new InvitationError(
      role === 'inviter' ? 'inviter-unproved' : 'newcomer-unproved',
      `the ${role} did not prove that it is ${peer.agentId}: ${why}`,
      { cause },
    );
  try {
    const { signer, claims } = await verifyStatement(token, { type: TYPES[kind], audience, bundles, now });
    if (signer.id !== peer.agentId) throw refusal(`${signer.id} signed`);
    if (claims.get('role') !== role || claims.get('invitation') !== invitationId)
      throw refusal('it signed something else');
    if (claims.get('transcript') !== Buffer.from(transcript).toString('hex'))
      throw refusal('it signed for another connection than this one, or the messages on it were others');
    return claims;
  } catch (cause) {
    if (cause instanceof StatementError) throw refusal(cause.message, cause);
    throw cause;
  }
}
