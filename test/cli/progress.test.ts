import { describe, expect, it } from 'vitest';
import { withProgress } from '../../src/cli/progress.ts';
import { createTerminal } from '../../src/cli/terminal.ts';
import { serveAdmin } from '../../testkit/serve-admin.ts';
import { TestReader } from '../../testkit/reader.ts';
import { until } from '../../testkit/until.ts';
import { TestClock } from '../../testkit/test-clock.ts';

const NOON = new Date('2030-01-01T12:00:00Z');

/** Work that ends when it is told, and what standard error gets of it. */
async function working({ quiet = false, isTerminal = false } = {}) {
  const clock = new TestClock(NOON);
  const [lines, drawn]: [string[], string[]] = [[], []];
  const terminal = createTerminal(
    {
      out: () => undefined,
      err: (text) => void lines.push(text),
      errScreen: isTerminal ? { columns: 60, rows: 20, write: (text) => void drawn.push(text) } : undefined,
    },
    clock,
  );
  await terminal.show('text', { quiet, color: 'never' });
  let finish: (result: string) => void = () => undefined;
  let report: (howFar: string) => void = () => undefined;
  const done = withProgress(terminal, 'polling all peers', (tell) => {
    report = tell;
    return new Promise<string>((resolve) => {
      finish = resolve;
    });
  });
  return { clock, lines, drawn, done, report, finish, terminal };
}

describe('withProgress()', () => {
  it('writes one line again on a terminal after a second, and removes it in the end', async () => {
    const { clock, lines, drawn, done, report, finish } = await working({ isTerminal: true });
    await clock.advance(900);
    expect(drawn).toEqual([]);
    report('3 of 9 done');
    await clock.advance(200);
    await clock.advance(1000);
    expect(drawn[0]).toBe('\rpolling all peers: 3 of 9 done (1s) …\u001B[K');
    expect(drawn.at(-1)).toBe('\rpolling all peers: 3 of 9 done (2s) …\u001B[K');
    finish('result');
    expect(await done).toBe('result');
    expect(drawn.at(-1)).toBe('\r\u001B[K');
    expect([lines, clock.waits()]).toEqual([[], []]);
  });

  it('gives way to what is printed meanwhile', async () => {
    const { clock, drawn, done, finish, terminal } = await working({ isTerminal: true });
    await clock.advance(1000);
    terminal.err('a warning');
    expect(drawn.at(-1)).toBe('\r\u001B[K');
    finish('');
    await done;
  });

  it('writes a plain line every five seconds where no terminal reads it', async () => {
    const { clock, lines, drawn, done, finish } = await working();
    await clock.advance(4900);
    expect(lines).toEqual([]);
    await clock.advance(5200);
    expect(lines).toEqual(['polling all peers (5s) …', 'polling all peers (10s) …']);
    finish('');
    await done;
    expect(drawn).toEqual([]);
  });

  it('is silent with --quiet', async () => {
    const { clock, lines, drawn, done, finish } = await working({ quiet: true, isTerminal: true });
    await clock.advance(20_000);
    finish('');
    await done;
    expect([lines, drawn]).toEqual([[], []]);
  });

  it('removes its line where the work fails', async () => {
    const terminal = createTerminal({ out: () => undefined, err: () => undefined }, new TestClock(NOON));
    await expect(withProgress(terminal, 'x', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  });
});

describe('federate refresh', () => {
  it('counts the peers that were polled since it began', async () => {
    const clock = new TestClock(NOON);
    const peer = (at: string | null) => ({ trust_domain: 'b.example', last_attempt_at: at });
    let answer: ((answers: []) => void) | undefined;
    await using admin = await serveAdmin({
      'GET /v1/relationships': () =>
        [peer('2030-01-01T11:59:59.000Z'), peer('2030-01-01T12:00:00.500Z'), peer(null)] as never,
      'POST /v1/refresh': () =>
        new Promise<[]>((resolve) => {
          answer = resolve;
        }),
    });
    const reader = new TestReader({ errColumns: 80, clock });
    const ended = reader.run('refresh', '--socket', admin.path);
    await until(() => answer !== undefined, 'the request');
    await clock.untilSleeping(2);
    await clock.advance(1000);
    await clock.untilSleeping(2);
    await clock.advance(1000);
    expect(reader.errDrawn.join('')).toContain('polling all peers: 1 of 3 done');
    answer?.([]);
    expect([await ended, reader.out]).toEqual([0, ['There are no relationships to refresh.']]);
  });
});
