import { messageOf } from '../../errors/index.ts';
import type { Clock } from '../../platform/index.ts';

/** One line of the story as a program reads it (`--output json`). */
export interface StepRecord {
  readonly step: number;
  readonly title: string;
  readonly ok: boolean;
  readonly ms: number;
  readonly detail: Readonly<Record<string, unknown>>;
}

/** What a step uses to report while it runs. */
export interface StepReporter {
  /** Something that was done. */
  did(text: string): void;
  /** A checked fact, and how it was checked; reported only after it held. */
  saw(text: string): void;
  /** A figure or name for programs. */
  note(key: string, value: unknown): void;
}

export interface Step {
  readonly title: string;
  run(story: StepReporter): Promise<void>;
}

export interface StoryOutput {
  line(text: string): void;
  record(record: StepRecord): void;
}

/**
 * Runs the steps in order and reports them; stops at the first failure. Returns its error, if any.
 */
export async function runStory(steps: readonly Step[], clock: Clock, output: StoryOutput): Promise<unknown> {
  for (const [index, step] of steps.entries()) {
    const number = index + 1;
    const detail: Record<string, unknown> = {};
    const start = clock.monotonicMs();
    output.line(`\n${number}. ${step.title}`);
    const story: StepReporter = {
      did: (text) => output.line(`   · ${text}`),
      saw: (text) => output.line(`   ✓ ${text}`),
      note: (key, value) => {
        detail[key] = value;
      },
    };
    let failure: unknown;
    try {
      await step.run(story);
    } catch (error) {
      failure = error;
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'internal';
      detail['error'] = { code, message: messageOf(error) };
      output.line(`   ✗ ${messageOf(error)} [${code}]`);
    }
    const ms = Math.round(clock.monotonicMs() - start);
    output.record({ step: number, title: step.title, ok: failure === undefined, ms, detail });
    if (failure !== undefined) return failure;
  }
  return undefined;
}
