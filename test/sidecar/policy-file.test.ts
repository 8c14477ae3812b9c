import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { allOf, PolicyFile } from '../../src/demonstration/sidecar/index.ts';
import { readPolicyData } from '../../src/demonstration/sidecar/access/read-policy-data.ts';
import { createRecordingLog } from '../../testkit/recording-log.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { TestClock } from '../../testkit/test-clock.ts';
import { until } from '../../testkit/until.ts';

const BACKEND = 'spiffe://istio.example/ns/weather/sa/backend';
const rule = {
  id: 'read',
  effect: 'allow',
  identities: [BACKEND],
  prefixes: [],
  methods: ['GET'],
  paths: [{ kind: 'exact', path: '/remark' }],
};
const data = (rules: readonly object[], service = 'info') =>
  JSON.stringify({ services: { [service]: { ports: ['http'], rules } } });
const request = { caller: BACKEND, method: 'GET', path: '/remark', headers: {}, port: 9080 };

describe('PolicyFile', () => {
  it('lets nobody in without the file, follows its changes, and keeps the last good one', async () => {
    using folder = tempDir();
    const file = folder.file('access.json');
    const [clock, log] = [new TestClock(new Date()), createRecordingLog()];
    const policy = new PolicyFile({ file, service: 'info', port: 'http', clock, log });
    policy.start();
    /** Writes the file and waits until it was looked at. */
    const offer = async (text: string) => {
      writeFileSync(file, text);
      const before = log.records.length;
      await until(() => {
        void clock.advance(500);
        return log.records.length > before;
      }, 'the file was read');
    };
    try {
      expect(policy.judge(request)).toEqual({ allowed: false, code: 'mesh-silent' });
      await offer(data([rule]));
      expect(policy.judge(request)).toEqual({ allowed: true });
      expect(policy.judge({ ...request, method: 'POST' })).toMatchObject({ code: 'access-denied' });
      expect(policy.judge({ ...request, path: '/x/../remark' })).toMatchObject({ code: 'path-ambiguous' });
      await offer(data([{ ...rule, paths: 'all' }]));
      expect(policy.judge(request)).toEqual({ allowed: true });
      await offer(data([rule], 'other'));
      expect(policy.judge(request)).toMatchObject({ code: 'access-denied' });
    } finally {
      await policy.stop();
    }
  });

  it.each([
    ['an unknown part', { ...rule, unless: [] }, 'the unknown part unless'],
    ['an unknown effect', { ...rule, effect: 'audit' }, 'the effect allow or deny'],
    [
      'a prefix that is longer than a trust domain',
      { ...rule, prefixes: ['spiffe://a.example/ns/'] },
      'not the beginning of the IDs',
    ],
    ['a path of another kind', { ...rule, paths: [{ kind: 'regex', path: '.*' }] }, 'exact or a prefix'],
    ['an identity that is not a SPIFFE ID', { ...rule, identities: ['*'] }, 'a caller is a SPIFFE ID'],
  ])('refuses a rule with %s, because it must not read as a wider one', (_what, wrong, why) => {
    expect(() => readPolicyData(data([wrong]))).toThrow(why);
  });
});

describe('allOf()', () => {
  const yes = { judge: () => ({ allowed: true }) as const };
  const no = { judge: () => ({ allowed: false, code: 'access-denied' }) as const };

  it('needs the consent of every source, and lets nobody in without one', () => {
    expect(allOf([yes, yes]).judge(request).allowed).toBe(true);
    expect(allOf([yes, no]).judge(request).allowed).toBe(false);
    expect(allOf([]).judge(request).allowed).toBe(false);
  });
});
