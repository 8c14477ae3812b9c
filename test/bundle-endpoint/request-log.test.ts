import { describe, expect, it } from 'vitest';
import { RequestLog } from '../../src/bundle-endpoint/request-log.ts';
import { createRecordingLog } from '../../testkit/recording-log.ts';
import { TestClock } from '../../testkit/test-clock.ts';

describe('RequestLog', () => {
  it('keeps what a client chose bounded and printable', () => {
    const log = createRecordingLog();
    const requests = new RequestLog(new TestClock(new Date(0)), log);
    const path = `/\u{1b}[2J\u{202e}\n${'x'.repeat(10_000)}`;
    requests.answered({ method: 'M'.repeat(500), path, status: 404 });
    const fields = log.records[0]?.fields ?? {};
    expect(fields).toMatchObject({ status: 404 });
    expect(String(fields['path'])).toMatch(/^\/\u{fffd}\[2J\u{fffd}\u{fffd}x+…$/u);
    expect(String(fields['path'])).toHaveLength(200);
    expect(String(fields['method'])).toHaveLength(20);
  });

  it('writes a burst of lines, then fifty a second, and states how many it left out', async () => {
    const log = createRecordingLog();
    const clock = new TestClock(new Date(0));
    const requests = new RequestLog(clock, log);
    for (let count = 0; count < 10_000; count += 1) requests.answered({ method: 'GET', path: '/' });
    expect(log.records).toHaveLength(500);
    await clock.advance(1000);
    for (let count = 0; count < 10_000; count += 1) requests.answered({ method: 'GET', path: '/' });
    expect(log.records).toHaveLength(550);
    expect(log.records[500]?.fields).toMatchObject({ lines_left_out: 9500 });
    expect(log.records[501]?.fields['lines_left_out']).toBeUndefined();
  });
});
