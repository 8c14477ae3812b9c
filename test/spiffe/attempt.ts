import { CodedError } from '../../src/spiffe/index.ts';

/** What came of a call: its value, or the coded error it threw. Any other error goes on: no parser may throw one. */
export function attempt<Value>(call: () => Value): { value: Value } | { error: CodedError } {
  try {
    return { value: call() };
  } catch (error) {
    if (error instanceof CodedError) return { error };
    throw error;
  }
}

/** The code a call is refused with, or `accepted`. */
export function codeOf(call: () => unknown): string {
  const outcome = attempt(call);
  return 'error' in outcome ? outcome.error.code : 'accepted';
}
