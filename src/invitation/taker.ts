import { pause } from '../platform/index.ts';
import { CodedError } from '../spiffe/index.ts';
import type { StoredInvitation } from '../store/index.ts';
import { FederationError } from '../federation/index.ts';
import { InvitationError } from './errors.ts';
import { isFederated } from './federate-with.ts';
import { parseInvitation } from './line.ts';
import type { InvitationParts } from './parts.ts';
import { Redemption } from './redemption.ts';
import { type Settled, Settlement } from './settlement.ts';

/** First pause between two questions to an inviter, and the longest. */
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 15_000;
/**
 * How long after the end of an invitation its inviter is still asked: its operator has a day for
 * approving.
 */
const ASKING_MS = 25 * 3_600_000;

const UNFINISHED: readonly string[] = ['redeeming', 'awaiting-approval'];

/** Takes up the invitations of other agents, and asks again where an answer was missed. */
export class InvitationTaker {
  readonly #parts: InvitationParts;
  readonly #stop: AbortSignal;
  readonly #redemption: Redemption;
  readonly #settlement: Settlement;
  /** Invitations that are being asked about, by ID. */
  readonly #asking = new Map<string, Promise<void>>();
  /** Invitations that are being taken up at this moment. */
  readonly #taking = new Set<string>();

  /** Asks no more once `stop` aborts. */
  constructor(parts: InvitationParts, stop: AbortSignal) {
    this.#parts = parts;
    this.#stop = stop;
    this.#settlement = new Settlement(parts);
    this.#redemption = new Redemption(parts, this.#settlement, stop);
  }

  /** Asks again about what an earlier run left unfinished. Rejects with `StoreError`. */
  async start(): Promise<void> {
    for (const { id, role, state } of await this.#parts.store.invitations({ limit: 1000 }))
      if (role === 'newcomer' && UNFINISHED.includes(state)) this.#goOnAsking(id);
  }

  /** Resolves once nothing is asked any more, after the signal has aborted. */
  async stopped(): Promise<void> {
    await Promise.all(this.#asking.values());
  }

  /**
   * Accepts an invitation. Both directions are set up when it resolves as `completed`; after
   * `awaiting-approval` the agent asks the inviter again. The same line again continues where the
   * exchange broke off. Throws what `parseInvitation`, `Redemption.check` and `Redemption.redeem`
   * throw.
   */
  async take(line: string, actor: string): Promise<Settled> {
    const invitation = parseInvitation(line);
    const { id } = invitation;
    const identity = this.#redemption.check(invitation);
    if (this.#taking.has(id))
      throw new InvitationError('invitation-not-open', `the invitation ${id} is just being taken up`);
    this.#taking.add(id);
    try {
      const before = await this.#parts.store.invitation('newcomer', id);
      if (before?.state === 'completed') {
        if (isFederated(this.#parts.federation, invitation.trustDomain))
          throw new FederationError(
            'already-federated',
            `the invitation ${id} was used here already, and there is a relationship with ${invitation.trustDomain}`,
          );
        throw new InvitationError('invitation-not-open', `the invitation ${id} was used here already`);
      }
      const settled =
        (before && UNFINISHED.includes(before.state) ? await this.#askAgain(before) : undefined) ??
        (await this.#redemption.redeem(invitation, identity, actor));
      if (settled.status === 'awaiting-approval') this.#goOnAsking(id);
      return settled;
    } catch (error) {
      const now = await this.#parts.store.invitation('newcomer', id);
      if (now && UNFINISHED.includes(now.state)) this.#goOnAsking(id);
      throw error;
    } finally {
      this.#taking.delete(id);
    }
  }

  /** Asks the inviter about an exchange that broke off; undefined where it has to start again. */
  async #askAgain(before: StoredInvitation): Promise<Settled | undefined> {
    const settled = await this.#redemption.ask(before);
    if (settled.status === 'ended')
      throw new InvitationError(
        'invitation-declined',
        settled.invitation.reason?.message ?? `the inviter has ended the invitation ${before.id}`,
      );
    if (settled.status !== 'unknown') return settled;
    if (before.state === 'redeeming') return undefined;
    throw new InvitationError(
      'invitation-refused',
      `the inviter no longer reports the state of the invitation ${before.id}`,
    );
  }

  #goOnAsking(id: string): void {
    if (this.#asking.has(id) || this.#stop.aborted) return;
    this.#asking.set(
      id,
      this.#askUntilSettled(id).finally(() => this.#asking.delete(id)),
    );
  }

  async #askUntilSettled(id: string): Promise<void> {
    const { clock, store, log } = this.#parts;
    const signal = this.#stop;
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 1.5, LONGEST_PAUSE_MS)) {
      if (!(await pause(clock, pauseMs, signal))) return; // Stopped; the next start goes on.
      try {
        const taken = await store.invitation('newcomer', id);
        if (!taken || !UNFINISHED.includes(taken.state)) return;
        if (this.#taking.has(id)) continue;
        if (clock.now().getTime() > taken.expiresAt.getTime() + ASKING_MS) {
          const why = new InvitationError(
            'invitation-refused',
            `the inviter ${taken.peer ?? ''} never reported the result`,
          );
          await this.#settlement.fail(taken, why, 'agent');
          return;
        }
        const { status } = await this.#redemption.ask(taken);
        if (status === 'completed' || status === 'ended') {
          log.info('an invitation was settled', { invitation: id, status, peer: taken.peer });
          return;
        }
      } catch (error) {
        if (signal.aborted) return;
        const fields = { invitation: id, error };
        if (error instanceof CodedError) log.warn('the inviter could not be asked', fields);
        else log.error('asking an inviter failed', { ...fields, error });
      }
    }
  }
}
