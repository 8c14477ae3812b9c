import { describe, expect, it } from 'vitest';
import { type Part, Parts } from '../../src/platform/parts.ts';
import { type Host, type ProcessPlan, runUntilSignal } from '../../src/app/process.ts';
import type { LogLevel } from '../../src/platform/index.ts';
import { CodedError } from '../../src/spiffe/index.ts';
import { createRecordingLog } from '../../testkit/recording-log.ts';
import { TEST_INSTANT } from '../../testkit/test-ca.ts';
import { TestClock } from '../../testkit/test-clock.ts';

/** An operating system that a test is. */
class FakeHost implements Host {
  readonly exits: number[] = [];
  readonly #signals = new Map<NodeJS.Signals, (() => void)[]>();
  #fatal: (error: unknown) => void = () => {};
  kept = 0;
  /** What the service manager was told, a message each. */
  readonly notified: string[][] = [];

  onSignal(signal: NodeJS.Signals, listener: () => void): void {
    this.#signals.set(signal, [...(this.#signals.get(signal) ?? []), listener]);
  }
  onFatal(listener: (error: unknown) => void): void {
    this.#fatal = listener;
  }
  exit(code: number): void {
    this.exits.push(code);
  }
  exitIfKept(): void {
    this.kept += 1;
  }
  notify() {
    return (...assignments: readonly string[]) => void this.notified.push([...assignments]);
  }
  send(signal: NodeJS.Signals): void {
    for (const listener of this.#signals.get(signal) ?? []) listener();
  }
  fail(error: unknown): void {
    this.#fatal(error);
  }
}

const never = () => new Promise<void>(() => {});
const portInUse = () => Promise.reject(new CodedError('port-in-use', 'another process listens there'));

function run(parts: readonly Part[], more: Partial<ProcessPlan> = {}) {
  const host = new FakeHost();
  const clock = new TestClock(TEST_INSTANT);
  const levels: LogLevel[] = [];
  const log = Object.assign(createRecordingLog(), { setLevel: (level: LogLevel) => void levels.push(level) });
  const about = { version: '1.2.3', config: '/etc/agent.yaml', addresses: { endpoint: '127.0.0.1:8443' } };
  const plan: ProcessPlan = {
    name: 'agent',
    logLevel: 'info',
    about,
    build: (context) => Promise.resolve(new Parts(parts, context)),
    reread: () => ({ logLevel: 'debug', changed: [] }),
    ...more,
  };
  const ended = runUntilSignal(plan, host, clock, log);
  const logged = (message: string) => log.records.find((record) => record.message === message)?.fields;
  const turns = async () => {
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  };
  return { host, clock, log, levels, ended, logged, turns, about };
}

describe('runUntilSignal()', () => {
  it('notifies the service manager when it is ready, at a reload and when it stops', async () => {
    let fails = false;
    const reread = () => {
      if (fails) throw new CodedError('config-invalid', 'no');
      return { logLevel: 'info' as const, changed: ['endpoint'] };
    };
    const { host, ended, turns } = run([{ name: 'a', start: () => {} }], { reread });
    expect(host.notified).toEqual([]);
    await turns();
    host.send('SIGHUP');
    fails = true;
    host.send('SIGHUP');
    host.send('SIGTERM');
    await ended;
    const reload = ['RELOADING=1', expect.stringMatching(/^MONOTONIC_USEC=\d+$/)];
    expect(host.notified).toEqual([
      ['READY=1', 'STATUS=all parts have started'],
      reload,
      ['READY=1', 'STATUS=the config has changed, and takes effect after a restart'],
      reload,
      ['READY=1', 'STATUS=config not usable, the old one stays'],
      ['STOPPING=1'],
    ]);
  });

  it('is never ready for the service manager when a part does not start', async () => {
    const { host, ended } = run([{ name: 'a', start: portInUse }]);
    await expect(ended).rejects.toMatchObject({ code: 'port-in-use' });
    expect(host.notified).toEqual([]);
  });

  it('logs its version, config and addresses at the start, and ends at SIGTERM', async () => {
    const order: string[] = [];
    const part = (name: string): Part => ({
      name,
      start: () => void order.push(`start ${name}`),
      stop: () => void order.push(`stop ${name}`),
    });
    const { host, ended, logged, turns, about } = run([part('a'), part('b')]);
    await turns();
    expect(logged('process starting')).toMatchObject(about);
    expect(logged('process ready')).toMatchObject(about);
    host.send('SIGTERM');
    await ended;
    expect(order).toEqual(['start a', 'start b', 'stop b', 'stop a']);
    expect([host.exits, logged('process stopping'), logged('process stopped')]).toMatchObject([
      [],
      { signal: 'SIGTERM' },
      {},
    ]);
    expect(host.kept).toBe(1);
  });

  it('stops what has begun when a part cannot start, the part that failed too, and has the error as a line', async () => {
    const stopped: string[] = [];
    const part = (name: string, start = () => Promise.resolve()): Part => ({
      name,
      start,
      stop: () => void stopped.push(name),
    });
    const open: Part = { name: 'store', stop: () => void stopped.push('store') };
    const { host, ended, logged } = run([open, part('a'), part('endpoint', portInUse), part('c')]);
    await expect(ended).rejects.toMatchObject({ code: 'port-in-use' });
    expect(stopped).toEqual(['endpoint', 'a', 'store']);
    expect(logged('process could not start')).toMatchObject({ code: 'port-in-use' });
    expect(host.kept).toBe(1);
  });

  it('reports a start that failed although a part hangs when it is stopped', async () => {
    const { clock, ended, logged } = run([
      { name: 'hangs', start: () => {}, stop: never },
      { name: 'endpoint', start: portInUse },
    ]);
    const failure = ended.catch((error: unknown) => error);
    // The limit of the stop, and the next report of a slow start.
    await clock.untilSleeping(2);
    await clock.advance(10_000);
    expect(await failure).toMatchObject({ code: 'port-in-use' });
    expect(logged('a part could not be stopped')).toMatchObject({ of: 'hangs' });
  });

  it('logs which part a slow start waits for, and stops when it is ready', async () => {
    let finish = () => {};
    const { clock, logged, log, turns } = run([
      { name: 'slow', start: () => new Promise<void>((resolve) => (finish = resolve)) },
    ]);
    await turns();
    await clock.untilSleeping();
    await clock.advance(5000);
    expect(logged('process still starting')).toMatchObject({ seconds: 5, busy_with: 'slow' });
    finish();
    await turns();
    const count = log.records.length;
    await clock.advance(60_000);
    expect(log.records).toHaveLength(count);
  });

  it('stops in order when SIGTERM arrives while a part starts, even one that never finishes', async () => {
    const stopped: string[] = [];
    const { host, ended, turns, logged } = run([
      { name: 'a', start: () => {}, stop: () => void stopped.push('a') },
      { name: 'slow', start: never, stop: () => void stopped.push('slow') },
    ]);
    await turns();
    host.send('SIGTERM');
    await ended;
    expect([stopped, host.exits, logged('process ready')]).toEqual([['slow', 'a'], [], undefined]);
  });

  it('ends with code 1 when SIGTERM arrives during a build that never finishes', async () => {
    const { host, clock, turns, logged } = run([], { build: () => new Promise(() => {}) });
    host.send('SIGTERM');
    await turns();
    await clock.advance(60_000);
    expect(host.exits[0]).toBe(1);
    expect(logged('process did not stop in time')).toMatchObject({ busy_with: 'building its parts' });
  });

  it('ends with code 1 after a part that failed to stop, and stops the others', async () => {
    const stopped: string[] = [];
    const { host, ended, turns, logged } = run([
      { name: 'a', start: () => {}, stop: () => void stopped.push('a') },
      { name: 'bad', start: () => {}, stop: () => Promise.reject(new Error('disk full')) },
    ]);
    await turns();
    host.send('SIGINT');
    await ended;
    expect([host.exits, stopped]).toEqual([[1], ['a']]);
    expect(logged('process did not stop in order')).toMatchObject({ error: { message: 'disk full' } });
  });

  it('ends with code 1 after a part that hangs, and stops the others', async () => {
    const stopped: string[] = [];
    const { host, clock, ended, turns, logged } = run([
      { name: 'a', start: () => {}, stop: () => void stopped.push('a') },
      { name: 'hangs', start: () => {}, stop: never },
    ]);
    await turns();
    host.send('SIGTERM');
    await clock.untilSleeping(2);
    await clock.advance(8000);
    await ended;
    expect([host.exits, stopped]).toEqual([[1], ['a']]);
    expect(logged('a part could not be stopped')).toMatchObject({ of: 'hangs' });
  });

  it('ends with code 1 at once at a second signal, and after an uncaught error', async () => {
    const { host, turns, logged } = run([{ name: 'hangs', start: () => {}, stop: never }]);
    await turns();
    host.send('SIGTERM');
    host.send('SIGTERM');
    expect(host.exits).toEqual([1]);
    host.fail(new Error('a defect'));
    expect(host.exits).toEqual([1, 1]);
    expect(logged('process failed')).toMatchObject({ error: { message: 'a defect' } });
  });

  it('reads the config again at SIGHUP, names what takes effect after a restart, and continues', async () => {
    const { host, levels, turns, logged } = run([], {
      reread: () => ({ logLevel: 'debug', changed: ['endpoint'] }),
    });
    await turns();
    host.send('SIGHUP');
    expect(levels).toEqual(['debug']);
    expect(logged('config read again')).toEqual({ process: 'agent', log_level: 'debug' });
    expect(logged('the config has changed, and takes effect after a restart')).toMatchObject({
      changed: ['endpoint'],
    });
    expect(host.exits).toEqual([]);
  });

  it('keeps the old config at SIGHUP when the new one has a mistake', async () => {
    const { host, levels, turns, logged } = run([], {
      reread: () => {
        throw new CodedError('config-invalid', 'the config has a mistake');
      },
    });
    await turns();
    host.send('SIGHUP');
    expect([levels, host.exits]).toEqual([[], []]);
    expect(logged('config not usable, the old one stays')).toMatchObject({
      error: { code: 'config-invalid' },
    });
  });
});
