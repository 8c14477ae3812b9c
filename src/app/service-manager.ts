import { execFile } from 'node:child_process';
import type { Environment } from '../platform/index.ts';

/**
 * Passes assignments of sd_notify(3), such as `READY=1`, to the service manager. Does nothing where
 * systemd has not started this process.
 */
export type Notify = (...assignments: readonly string[]) => void;

/**
 * Sends by the program `systemd-notify`, because Node.js has no datagram sockets of Unix. One
 * message follows the other, in the order of the calls. `failed` gets an error of each message that
 * was not sent.
 */
export function createNotify(environment: Environment, failed: (error: unknown) => void): Notify {
  if (!environment['NOTIFY_SOCKET']) return () => {};
  let last = Promise.resolve();
  return (...assignments) => {
    last = last.then(() => send(assignments)).catch(failed);
  };
}

function send(assignments: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile('systemd-notify', [...assignments], { timeout: 10_000 }, (error) =>
      error ? reject(error) : resolve(),
    );
  });
}

/** The message that a reload begins; systemd compares the time with that of its request. */
export function reloading(): readonly string[] {
  return ['RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`];
}
