import { duration } from '../fields.ts';
import { parseDurationMs } from '../../platform/index.ts';

/** A duration from `least` to `most`, both as a config file writes them. */
export function limitedDuration(least: string, most: string) {
  const [from = 0, to = Infinity] = [parseDurationMs(least), parseDurationMs(most)];
  return duration().refine((ms) => ms >= from && ms <= to, `from ${least} to ${most}`);
}
