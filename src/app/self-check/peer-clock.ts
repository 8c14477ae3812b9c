import { request } from 'node:https';
import type { Clock } from '../../platform/index.ts';

/** The clock of an endpoint. */
export interface SeenClock {
  /** How far it is ahead of ours, to the second. */
  readonly offsetMs: number;
}

/**
 * Reads the `Date` of an endpoint's answer. Its certificate is not judged, because with a wrong
 * clock it cannot be. The answer is a hint for a person, and no trust rests on it. Undefined where
 * it does not answer in time or has no date.
 */
export async function clockOf(
  url: string,
  { ms, clock, signal }: { readonly ms: number; readonly clock: Clock; readonly signal: AbortSignal },
): Promise<SeenClock | undefined> {
  return await new Promise((resolve) => {
    const asked = request(
      url,
      { method: 'HEAD', rejectUnauthorized: false, agent: false, timeout: ms, signal },
      (answer) => {
        const at = Date.parse(answer.headers.date ?? '');
        answer.destroy();
        resolve(Number.isNaN(at) ? undefined : { offsetMs: at - clock.now().getTime() });
      },
    );
    asked.on('timeout', () => asked.destroy());
    asked.on('error', () => resolve(undefined));
    asked.on('close', () => resolve(undefined));
    asked.end();
  });
}
