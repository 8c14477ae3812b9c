import { CodedError } from '../spiffe/index.ts';

/** Why an invitation was not made, read, redeemed or approved. */
export type InvitationErrorCode =
  /** The text is not an invitation. */
  | 'invitation-malformed'
  /** The line is shorter than its own length field. */
  | 'invitation-cut'
  /** A character of the line is another one than it was. */
  | 'invitation-mistyped'
  /** The line is of a newer form. */
  | 'invitation-version'
  /** This agent has no X509-SVID to sign with. */
  | 'identity-missing'
  /** Its X509-SVID is not under its own roots. */
  | 'identity-unusable'
  | 'invitation-expiry-invalid'
  | 'own-bundle-unknown'
  | 'no-such-invitation'
  | 'invitation-not-open'
  | 'too-many-invitations'
  /** The line is our own. */
  | 'invitation-own'
  | 'invitation-expired'
  /** The line, or the inviter, names another peer. */
  | 'invitation-for-another'
  /** This agent does not connect to an address in the line, or to one that the newcomer named. */
  | 'invitation-address-refused'
  /** The inviter does not know the line as open. */
  | 'invitation-refused'
  /** The inviter knows it, and gives the reason for its refusal. */
  | 'invitation-declined'
  | 'invitation-exchange-failed'
  /** The other end of the connection did not prove that it is the inviter. */
  | 'inviter-unproved'
  | 'newcomer-unproved'
  /** The clocks of the two sides are too far apart for signatures. */
  | 'clocks-differ'
  /** The endpoint of a side serves something other than what that side reported. */
  | 'newcomer-endpoint-differs'
  | 'newcomer-unreachable'
  | 'invitation-message-invalid';

/** A refusal around an invitation; nothing was trusted. */
export class InvitationError extends CodedError<InvitationErrorCode> {}
