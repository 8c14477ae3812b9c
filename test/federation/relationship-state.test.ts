import { describe, expect, it } from 'vitest';
import { stateAfter } from '../../src/federation/poll/relationship-state.ts';
import { madeUpBundle } from './made-up-bundle.ts';

const held = madeUpBundle('peer.example', ['r1']);
const accepted = {
  kind: 'accepted',
  versionNumber: 2,
  added: 0,
  removed: 1,
  notes: [],
  ignored: [],
} as const;
const problem = { code: 'tls-failed', message: 'no' };

describe('stateAfter()', () => {
  it('follows the outcome of the poll', () => {
    expect(stateAfter({ kind: 'unchanged' }, undefined, held)).toEqual({ state: 'active', reason: null });
    expect(stateAfter(accepted, undefined, held)).toEqual({ state: 'active', reason: null });
    expect(stateAfter({ kind: 'failed', ...problem }, undefined, held)).toEqual({
      state: 'failing',
      reason: problem,
    });
    expect(stateAfter({ kind: 'refused', ...problem }, undefined, held).state).toBe('failing');
    expect(stateAfter({ kind: 'quarantined', ...problem }, undefined, held)).toEqual({
      state: 'quarantined',
      reason: problem,
    });
    expect(stateAfter({ kind: 'flapping', waitMs: 1, ...problem }, undefined, held)).toEqual({
      state: 'flapping',
      reason: problem,
    });
    expect(stateAfter({ kind: 'unchanged' }, undefined, undefined)).toEqual({
      state: 'active',
      reason: null,
    });
  });

  it('tells a bundle without usable keys (TDB-05)', () => {
    const empty = madeUpBundle('peer.example', []);
    expect(stateAfter(accepted, undefined, empty)).toMatchObject({
      state: 'active',
      reason: { code: 'no-usable-keys', message: expect.stringContaining('peer.example') },
    });
    const onlyJwt = madeUpBundle('peer.example', [], {
      jwtAuthorities: [{ keyId: 'k', jwk: { kty: 'OKP' } }],
    });
    expect(stateAfter(accepted, undefined, onlyJwt)).toEqual({ state: 'active', reason: null });
  });

  it('needs the operator when the endpoint can no longer be verified, whatever the poll said (FED-04, FED-58)', () => {
    for (const outcome of [{ kind: 'unchanged' }, { kind: 'failed', ...problem }] as const) {
      expect(stateAfter(outcome, 'no bundle', held)).toMatchObject({
        state: 'needs-bootstrap',
        reason: { code: 'endpoint-bundle-missing' },
      });
    }
  });
});
