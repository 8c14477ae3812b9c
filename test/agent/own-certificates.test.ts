import { describe, expect, it } from 'vitest';
import { certificateWarnings, OwnCertificates } from '../../src/agent/own-certificates.ts';
import { svidFromPem } from '../../src/mtls/index.ts';
import { createRecordingLog } from '../../testkit/recording-log.ts';
import { createTestCa, TEST_INSTANT } from '../../testkit/test-ca.ts';
import { TestClock } from '../../testkit/test-clock.ts';

const DAY_MS = 24 * 3_600_000;
const after = (ms: number) => new Date(TEST_INSTANT.getTime() + ms);
const none = { web: undefined, svid: undefined };
const web = (leftMs: number, lifeMs: number) => ({
  file: '/tls.crt',
  notBefore: after(leftMs - lifeMs),
  notAfter: after(leftMs),
});
const codes = (facts: Partial<Parameters<typeof certificateWarnings>[0]>) =>
  certificateWarnings({ ...none, ...facts }, TEST_INSTANT).map(({ code }) => code);

describe('The certificates that the agent shows', () => {
  it.each([
    [
      'seven days before the end of one that lives for 90',
      7 * DAY_MS,
      90 * DAY_MS,
      ['endpoint-certificate-ends'],
    ],
    ['not before', 7 * DAY_MS + 1, 90 * DAY_MS, []],
    ['in the last fifth of a short life', 0.2 * DAY_MS, DAY_MS, ['endpoint-certificate-ends']],
    ['not before that', 0.2 * DAY_MS + 1, DAY_MS, []],
    ['not once it has ended, which is a warning of its own', 0, DAY_MS, []],
  ])('are warned of %s', (_what, leftMs, lifeMs, expected) => {
    expect(codes({ web: web(leftMs, lifeMs) })).toEqual(expected);
  });

  it('are named with their file, their end and what it means', () => {
    const [warning] = certificateWarnings({ ...none, web: web(DAY_MS, 90 * DAY_MS) }, TEST_INSTANT);
    expect(warning?.message).toContain('/tls.crt');
    expect(warning?.message).toContain(after(DAY_MS).toISOString());
    expect(warning?.since).toBe(after(-6 * DAY_MS).toISOString());
  });

  it('are our own SVID too, and each warning is one line in the log', async () => {
    const ca = await createTestCa({ trustDomain: 'a.example' });
    const { certPem, keyPem } = await ca.issueLeaf({ path: '/federate' });
    const svid = svidFromPem(certPem, keyPem);
    expect(codes({ svid })).toEqual([]);
    const clock = new TestClock(new Date(svid.notAfter.getTime() - 60_000));
    const log = createRecordingLog();
    const watching = new OwnCertificates({
      endpoint: { webCertificate: undefined },
      identity: { svid: { current: () => svid, onChange: () => () => {} } },
      clock,
      log,
    });
    watching.start();
    for (let minute = 0; minute < 5; minute += 1) {
      await clock.untilSleeping();
      await clock.advance(60_000);
    }
    expect(log.records.map(({ level, fields }) => [level, fields['code']])).toEqual([
      ['warn', 'own-svid-ends'],
    ]);
    await watching.stop();
  });
});
