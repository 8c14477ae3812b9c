import { defined } from '../objects/index.ts';
import type { Clock, Log } from '../platform/index.ts';
import type { InvitationPatch, InvitationState, Store, StoredInvitation } from '../store/index.ts';

/** Wrong or failed tries after which an invitation is burned. */
export const MAX_TRIES = 3;
/** How long after the expiry of an invitation an operator can still approve its redemption. */
const APPROVAL_MS = 24 * 3_600_000;
/** The newest ones; of older ones nothing is answered. */
const MAX_KNOWN = 1000;
/** Requests for one invitation: so many at once, and then so many a second. */
const BURST = 12;
const PER_SECOND = 2;
/** An invitation that is over reports a try once in this time. */
const REPORT_EVERY_MS = 60_000;

interface Entry {
  invitation: StoredInvitation;
  tokens: number;
  filledAtMs: number;
  reportedAtMs?: number;
}

/**
 * The invitations that we gave, in memory as they are in the store, so that a request about none of
 * them costs a look into a map. Their states change here only after they have changed in the store.
 */
export class InvitationBook {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #entries = new Map<string, Entry>();

  constructor({ store, clock, log }: { readonly store: Store; readonly clock: Clock; readonly log: Log }) {
    this.#store = store;
    this.#clock = clock;
    this.#log = log;
  }

  /** Takes what the store remembers. */
  async load(): Promise<void> {
    const all = await this.#store.invitations({ limit: MAX_KNOWN });
    for (const invitation of all.toReversed()) if (invitation.role === 'inviter') this.put(invitation);
  }

  /** Enters an invitation that the store has. */
  put(invitation: StoredInvitation): void {
    const { id } = invitation;
    const before = this.#entries.get(id);
    this.#entries.set(id, {
      tokens: BURST,
      filledAtMs: this.#clock.monotonicMs(),
      ...before,
      invitation,
    });
    if (this.#entries.size <= MAX_KNOWN) return;
    const oldest = [...this.#entries.values()].find((each) => each.invitation.endedAt !== undefined);
    if (oldest) this.#entries.delete(oldest.invitation.id);
  }

  /** The invitation, unless it is none of ours. */
  get(id: string): StoredInvitation | undefined {
    return this.#entries.get(id)?.invitation;
  }

  /** How many may still come to something. */
  get unfinished(): number {
    return [...this.#entries.values()].filter(({ invitation }) => invitation.endedAt === undefined).length;
  }

  /** Whether its time is over: for being redeemed, or for being approved. */
  isOver({ state, expiresAt }: StoredInvitation): boolean {
    const nowMs = this.#clock.now().getTime();
    if (state === 'open') return nowMs >= expiresAt.getTime();
    return state === 'awaiting-approval' && nowMs >= expiresAt.getTime() + APPROVAL_MS;
  }

  /** Whether one more request about this invitation is looked at. */
  admits(id: string): boolean {
    const entry = this.#entries.get(id);
    if (!entry) return false;
    const nowMs = this.#clock.monotonicMs();
    entry.tokens = Math.min(BURST, entry.tokens + ((nowMs - entry.filledAtMs) / 1000) * PER_SECOND);
    entry.filledAtMs = nowMs;
    if (entry.tokens < 1) return false;
    entry.tokens -= 1;
    return true;
  }

  /**
   * Changes an invitation from one of those states, with an event. False when it is in another one.
   */
  async change(
    id: string,
    from: readonly InvitationState[],
    patch: InvitationPatch,
    event: {
      readonly kind: 'invitation-taken' | 'invitation-refused' | 'invitation-ended';
      readonly actor: string;
      readonly code: string;
      readonly message: string;
    },
  ): Promise<boolean> {
    const at = this.#clock.now();
    const peer = patch.peer ?? this.get(id)?.peer;
    const done = await this.#store.changeInvitation(
      { id, role: 'inviter', from, patch },
      { at, ...event, ...defined({ trustDomain: peer }), detail: { invitation: id } },
    );
    await this.refresh(id);
    return done;
  }

  /** Looks at the store again, after another room's transaction has changed the invitation. */
  async refresh(id: string): Promise<void> {
    const invitation = await this.#store.invitation('inviter', id);
    if (invitation) this.put(invitation);
  }

  /** Ends those whose time is over, on record. */
  async sweep(): Promise<void> {
    for (const { invitation } of this.#entries.values()) {
      if (!this.isOver(invitation)) continue;
      const { id, state } = invitation;
      const message =
        state === 'open'
          ? `the invitation ${id} was not used in time`
          : `the invitation ${id} was used, and not approved in time`;
      await this.change(
        id,
        [state],
        {
          state: 'expired',
          endedAt: this.#clock.now(),
          reason: { code: 'invitation-expired', message },
        },
        { kind: 'invitation-ended', actor: 'agent', code: 'invitation-expired', message },
      );
    }
  }

  /** Records a try to use an invitation that is over, without waiting for the write. */
  reportKnock({ id, state, peer }: StoredInvitation, remoteAddress: string): void {
    const entry = this.#entries.get(id);
    const nowMs = this.#clock.monotonicMs();
    if (!entry || nowMs - (entry.reportedAtMs ?? Number.NEGATIVE_INFINITY) < REPORT_EVERY_MS) return;
    entry.reportedAtMs = nowMs;
    const used = state === 'completed' ? ': its line is in other hands, or was used a second time' : '';
    const message = `a caller at ${remoteAddress} presented the invitation ${id}, which is ${state}${used}`;
    this.#log.warn('an invitation that is over was used', { invitation: id, state, remote: remoteAddress });
    const event = {
      at: this.#clock.now(),
      kind: 'invitation-refused' as const,
      actor: 'agent',
      code: 'invitation-reused',
      message,
      detail: { invitation: id, remote: remoteAddress },
      ...defined({ trustDomain: peer }),
    };
    this.#store.recordEvent(event).catch((error: unknown) => {
      this.#log.error('remembering a refused invitation failed', { error });
    });
  }
}
