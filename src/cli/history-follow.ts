import type { EventDocument, StoryDocument, StoryQuery } from '../admin-client/index.ts';
import { describeError, systemClock } from '../platform/index.ts';
import type { Terminal } from './terminal.ts';
import type { View } from './view.ts';

const LOOK_EVERY_MS = 1000;
/** How many events one look takes up at most. The next look takes the rest. */
const MOST_AT_ONCE = 10_000;

/**
 * Prints the wanted events, the oldest first, then each new one, until the process is interrupted.
 * Text has one event a line, JSON one document a line, and YAML is a stream of documents. Where the
 * agent stops answering after the first read, it says so on standard error and waits. Rejects when
 * the first read fails.
 */
export async function followStory(
  ask: (wanted: StoryQuery) => Promise<StoryDocument>,
  wanted: StoryQuery,
  terminal: Terminal,
  pause: () => Promise<void> = () => systemClock.sleep(LOOK_EVERY_MS),
): Promise<never> {
  const print = (events: readonly EventDocument[]) => {
    for (const event of events) terminal.item(event, (view) => textOfEvent(event, view));
  };
  const { events } = await ask(wanted);
  print(events.toReversed());
  let last = events[0]?.id ?? 0;
  let isSilent = false;
  for (;;) {
    await pause();
    try {
      const { events: more } = await ask({ ...wanted, after: last, limit: MOST_AT_ONCE });
      if (isSilent) terminal.err('The agent answers again.');
      isSilent = false;
      print(more);
      last = more.at(-1)?.id ?? last;
    } catch (error) {
      if (!isSilent) terminal.err(`Waiting: ${describeError(error).message}`);
      isSilent = true;
    }
  }
}

/** One event as a line. */
export function textOfEvent(
  { at, trust_domain: name, kind, actor, message }: EventDocument,
  view: View,
): string {
  return `${view.at(at)}  ${name ?? '-'}  ${kind}  ${view.words(message)} (${actor})`;
}
