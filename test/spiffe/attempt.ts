import { CodedError } from '../../src/spiffe/index.ts';

/**
 * The result of a call: its value, or the coded error it threw. Any other error is thrown again,
 * because no parser may throw one.
 */
export function attempt<Value>(call: () => Value): { value: Value } | { error: CodedError } {
  try {
    return { value: call() };
  } catch (error) {
    if (error instanceof CodedError) return { error };
    throw error;
  }
}

/** The code of a refusal, or `accepted`. */
export function codeOf(call: () => unknown): string {
  const outcome = attempt(call);
  return 'error' in outcome ? outcome.error.code : 'accepted';
}
