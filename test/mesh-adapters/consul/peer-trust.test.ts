import { beforeAll, describe, expect, it } from 'vitest';
import {
  labelOf,
  nextTrust,
  type PeerTrust,
  pendingTrust,
  reportOfTrust,
  type TrustEvent,
  type TrustStep,
} from '../../../src/mesh-adapters/consul/peer-trust.ts';
import { MeshAdapterError } from '../../../src/mesh-adapters/index.ts';
import { contentDigest } from '../../../src/spiffe/index.ts';
import { createTestCa, type TestCa } from '../../../testkit/test-ca.ts';

let old: TestCa;
let next: TestCa;
let first: PeerTrust;
const away: TrustEvent = {
  kind: 'unreachable',
  error: new MeshAdapterError('mesh-unreachable', 'it is away'),
};

beforeAll(async () => {
  old = await createTestCa({ trustDomain: 'west.example' });
  next = await createTestCa({ trustDomain: 'west.example' });
  first = pendingTrust(old.bundle(), [old.authority]);
});

function run(...events: readonly TrustEvent[]): TrustStep {
  let step: TrustStep = { trust: first, effects: [] };
  for (const event of events) step = nextTrust(step.trust, event);
  return step;
}
const accepted = (): TrustEvent => ({ kind: 'accepted', label: labelOf(first) });
const other = (): TrustEvent => ({ kind: 'wanted', bundle: next.bundle(), roots: [next.authority] });

describe('nextTrust()', () => {
  it('is pending at first, and accepted when the control plane accepts what was sent', () => {
    expect(reportOfTrust(first)).toEqual({
      trustDomain: 'west.example',
      state: 'pending',
      digest: contentDigest(old.bundle()),
    });
    const { trust, effects } = run(accepted());
    expect(effects).toEqual(['report']);
    expect(reportOfTrust(trust)).toMatchObject({ state: 'accepted' });
  });

  it('sends another bundle, and other roots of the same bundle, but not the same again', () => {
    expect(run(accepted(), { kind: 'wanted', bundle: old.bundle(), roots: [old.authority] })).toMatchObject({
      effects: [],
      trust: { outcome: { state: 'accepted' } },
    });
    for (const event of [other(), { kind: 'wanted', bundle: old.bundle(), roots: [] } as const])
      expect(run(accepted(), event)).toMatchObject({
        effects: ['send'],
        trust: { outcome: { state: 'pending' } },
      });
    expect(run(other()).trust.outcome.digest).toBe(contentDigest(next.bundle()));
  });

  it('lets a late answer about an earlier bundle change nothing', () => {
    const refused: TrustEvent = { kind: 'refused', label: labelOf(first), reason: 'no' };
    for (const late of [accepted(), refused])
      expect(run(other(), late)).toMatchObject({ effects: [], trust: { outcome: { state: 'pending' } } });
  });

  it('reports a refusal with its reason in quotes', () => {
    const { trust, effects } = run({ kind: 'refused', label: labelOf(first), reason: 'bad\nPEM' });
    expect(effects).toEqual(['report']);
    expect(reportOfTrust(trust)).toMatchObject({
      state: 'refused',
      code: 'mesh-refused',
      message: String.raw`the control plane refused the bundle: "bad\nPEM"`,
    });
  });

  it('stays accepted while the stream is lost, and fails where another bundle waits or the peering ended', () => {
    const stateAfter = (...events: TrustEvent[]) => run(...events, away).trust.outcome;
    expect(stateAfter()).toMatchObject({ state: 'failed', code: 'mesh-unreachable', message: 'it is away' });
    expect(stateAfter(accepted())).toMatchObject({ state: 'accepted', code: 'mesh-unreachable' });
    expect(stateAfter(accepted(), other())).toMatchObject({ state: 'failed' });
    expect(stateAfter(accepted(), { kind: 'peering-ended' })).toMatchObject({ state: 'failed' });
    expect(run({ kind: 'unreachable', error: new Error('x') }).trust.outcome.code).toBe('peer-stream-lost');
  });

  it('names exported services in order and without proxies, only while all is well', () => {
    const exported: TrustEvent = { kind: 'exported', services: ['web', 'api', 'api-sidecar-proxy'] };
    expect(run(exported)).toMatchObject({ effects: ['log-exports'], trust: { exports: ['api', 'web'] } });
    const { trust, effects } = run(accepted(), exported);
    expect(effects).toEqual(['log-exports', 'report']);
    expect(reportOfTrust(trust)).toMatchObject({
      code: 'services-exported',
      message: 'exported to it: "api", "web"',
    });
    expect(run(accepted(), exported, exported).effects).toEqual([]);
    expect(reportOfTrust(run(accepted(), exported, away).trust).code).toBe('mesh-unreachable');
    const ended = run(accepted(), exported, { kind: 'peering-ended' }).trust;
    expect(reportOfTrust(ended)).not.toHaveProperty('code');
  });
});
