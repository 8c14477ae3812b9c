/** An invitation that was given (`inviter`) or taken up (`newcomer`). No secret is in it. */
export interface InvitationDocument {
  readonly id: string;
  readonly role: 'inviter' | 'newcomer';
  readonly state: string;
  readonly reason: { readonly code: string; readonly message: string } | null;
  /** The inviter; or who is expected to redeem it, and then who did. */
  readonly peer: string | null;
  readonly require_approval: boolean;
  readonly failed_tries: number;
  readonly created_at: string;
  readonly created_by: string;
  readonly expires_at: string;
  readonly ended_at: string | null;
  /** The four words that both consoles show, once it was redeemed. */
  readonly words: string | null;
}

/** A new invitation. */
export interface InviteDocument {
  /** The only trust domain that may redeem it. */
  readonly peer?: string;
  readonly expires_in_seconds?: number;
  readonly require_approval?: boolean;
}

/** A new invitation with its line, which is told once and never again: it holds the secret. */
export interface InvitedDocument extends InvitationDocument {
  readonly line: string;
}
