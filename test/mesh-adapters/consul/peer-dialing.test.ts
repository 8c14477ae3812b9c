import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LeaderElsewhere } from '../../../src/mesh-adapters/consul/leader-address.ts';
import {
  type DialEvent,
  type Dialing,
  type DialingStep,
  firstDialing,
  nextDialing,
} from '../../../src/mesh-adapters/consul/peer-dialing.ts';
import { MeshAdapterError } from '../../../src/mesh-adapters/index.ts';

const TOKEN = {
  caPem: 'a CA',
  addresses: ['10.0.0.1:8503', '10.0.0.2:8503'],
  serverName: 'server.dc1',
  peerId: 'peer-1',
  establishmentSecret: 'once',
};
const lost = (error: unknown = new Error('away'), openMs = 0): DialEvent => ({
  kind: 'stream-lost',
  error,
  openMs,
});
const token = (more: Partial<typeof TOKEN> = {}): DialEvent => ({
  kind: 'token',
  token: { ...TOKEN, ...more },
});
const secret: DialEvent = { kind: 'secret', secret: 'of the stream' };
const pauseOver: DialEvent = { kind: 'pause-over' };
const refusal = (code: ConstructorParameters<typeof MeshAdapterError>[0]) => new MeshAdapterError(code, code);

function after(...events: readonly DialEvent[]): Dialing {
  return events.reduce((dialing, event) => nextDialing(dialing, event).dialing, firstDialing);
}
function lastOf(...events: readonly DialEvent[]): DialingStep {
  return nextDialing(after(...events.slice(0, -1)), events.at(-1) ?? pauseOver);
}

describe('nextDialing()', () => {
  it('requests a token first, and dials its first address without a secret', () => {
    expect(firstDialing.step).toEqual({ kind: 'request-token' });
    const [address] = TOKEN.addresses;
    expect(after(token()).step).toEqual({ kind: 'dial', token: TOKEN, address, secret: undefined });
  });

  it('pauses after a loss, longer each time, and after a good stream as after a first loss', () => {
    const step = (...events: DialEvent[]) => after(token(), secret, ...events).step;
    expect(step(lost())).toEqual({ kind: 'pause', failures: 1 });
    expect(step(lost(), pauseOver, lost())).toEqual({ kind: 'pause', failures: 2 });
    expect(step(lost(), pauseOver, lost(undefined, 59_999))).toEqual({ kind: 'pause', failures: 2 });
    expect(step(lost(), pauseOver, lost(undefined, 60_000))).toEqual({ kind: 'pause', failures: 1 });
  });

  it('dials the next address with the same secret after a pause', () => {
    expect(after(token(), secret, lost(), pauseOver).step).toEqual({
      kind: 'dial',
      token: TOKEN,
      address: TOKEN.addresses[1],
      secret: 'of the stream',
    });
  });

  it.each([
    'peering-secret-refused',
    'peering-terminated',
  ] as const)('forgets the secret after %s, and requests a token', (code) => {
    const paused = after(token(), secret, lost(refusal(code)));
    expect(paused.secret).toBeUndefined();
    expect(after(token(), secret, lost(refusal(code)), pauseOver).step).toEqual({ kind: 'request-token' });
  });

  it('reports each loss for the trust, and the end of the peering before it', () => {
    const kinds = (error?: unknown) => lastOf(token(), secret, lost(error)).forTrust.map(({ kind }) => kind);
    expect(kinds()).toEqual(['unreachable']);
    expect(kinds(refusal('peering-secret-refused'))).toEqual(['unreachable']);
    expect(kinds(refusal('peering-terminated'))).toEqual(['peering-ended', 'unreachable']);
    expect(lastOf({ kind: 'no-token', error: new Error('x') }).forTrust).toMatchObject([
      { kind: 'unreachable' },
    ]);
  });

  it('requests another token after three losses in a row, and goes on with the old one where it gets none', () => {
    const three = [lost(), pauseOver, lost(), pauseOver, lost(), pauseOver];
    const noToken: DialEvent = { kind: 'no-token', error: new Error('no leader') };
    expect(after(token(), secret, ...three.slice(0, 4)).step).toMatchObject({ kind: 'dial' });
    expect(after(token(), secret, ...three).step).toEqual({ kind: 'request-token' });
    expect(after(token(), secret, ...three, noToken).step).toMatchObject({
      kind: 'dial',
      token: TOKEN,
      secret: 'of the stream',
    });
    // A fourth loss is not the third of anything.
    expect(after(token(), secret, ...three, noToken, lost(), pauseOver).step).toMatchObject({ kind: 'dial' });
  });

  it.each([
    ['the same servers and peering', {}, 'of the stream', 0],
    ['another CA', { caPem: 'another CA' }, undefined, 0],
    ['another server name', { serverName: 'server.dc2' }, undefined, 0],
    ['another peering', { peerId: 'peer-2' }, undefined, 1],
  ])('keeps the secret only with a token of the same: %s', (_what, more, expected, ended) => {
    const { dialing, forTrust } = lastOf(token(), secret, lost(), token(more));
    expect(dialing.secret).toBe(expected);
    expect(forTrust).toHaveLength(ended);
  });

  it('dials the leader that is named, at once, five times in a row, and then pauses', () => {
    const elsewhere = lost(new LeaderElsewhere('10.0.0.2:8300'));
    const redirected = after(token(), secret, elsewhere);
    expect(redirected.step).toMatchObject({ kind: 'dial', address: '10.0.0.2:8503' });
    const five = Array.from({ length: 5 }, () => elsewhere);
    expect(after(token(), secret, ...five).step.kind).toBe('dial');
    expect(after(token(), secret, ...five, elsewhere).step).toEqual({ kind: 'pause', failures: 1 });
    expect(after(token(), secret, ...five, elsewhere, pauseOver, elsewhere).step.kind).toBe('dial');
  });

  it('dials the named leader with a new token where the exchange of secrets was redirected', () => {
    const elsewhere = lost(new LeaderElsewhere('10.0.0.9:8503'));
    expect(after(token({ addresses: ['10.0.0.1:8503'] }), elsewhere).step).toEqual({ kind: 'request-token' });
    expect(after(token({ addresses: ['10.0.0.1:8503'] }), elsewhere, token()).step).toMatchObject({
      address: '10.0.0.9:8503',
    });
  });

  it('takes the addresses that the cluster reports, and returns to those of the token after a loss', () => {
    const addresses: DialEvent = { kind: 'addresses', addresses: ['10.9.0.1:8503'] };
    const open = after(token(), secret, addresses);
    expect(open.addresses).toEqual(['10.9.0.1:8503']);
    expect(open.tried.size).toBe(0);
    expect(after(token(), secret, { kind: 'addresses', addresses: [] }).addresses).toEqual(TOKEN.addresses);
    expect(after(token(), secret, addresses, lost()).addresses).toEqual(TOKEN.addresses);
    // A reported address is a candidate for the leader's host.
    const elsewhere = lost(new LeaderElsewhere('10.9.0.1:8300'));
    expect(after(token(), secret, addresses, lost(), pauseOver, elsewhere).step).toMatchObject({
      address: '10.9.0.1:8503',
    });
  });

  it('always has a step that its state allows, whatever happens', () => {
    const events = fc.constantFrom<DialEvent>(
      token(),
      token({ peerId: 'peer-2' }),
      token({ caPem: 'another CA', addresses: ['10.0.0.7:8503'] }),
      { kind: 'no-token', error: new Error('no leader') },
      { kind: 'addresses', addresses: ['10.9.0.1:8503'] },
      lost(),
      lost(undefined, 60_000),
      lost(refusal('peering-terminated')),
      lost(refusal('peering-secret-refused')),
      lost(new LeaderElsewhere('10.0.0.2:8300')),
    );
    /** The event, where it can happen in this step; otherwise the one that ends the step. */
    const possible = ({ step }: Dialing, event: DialEvent): readonly DialEvent[] => {
      const isOfToken = event.kind === 'token' || event.kind === 'no-token';
      switch (step.kind) {
        case 'request-token':
          return [isOfToken ? event : token()];
        case 'dial':
          return isOfToken ? [secret, lost()] : [secret, event];
        case 'pause':
          return [pauseOver];
      }
    };
    const isAllowed = ({ step, token: known, failures, redirects }: Dialing) =>
      redirects <= 5 &&
      (step.kind !== 'pause' || step.failures === failures) &&
      (step.kind !== 'dial' || (step.token === known && step.address !== ''));
    fc.assert(
      fc.property(fc.array(events, { maxLength: 60 }), (list) => {
        let dialing = firstDialing;
        for (const event of list)
          for (const each of possible(dialing, event)) {
            dialing = nextDialing(dialing, each).dialing;
            expect(dialing).toSatisfy(isAllowed);
          }
      }),
    );
  });
});
