import { USAGE_ERROR_CODES } from './usage-error.ts';
/**
 * What a script can rely on: 0 done, 1 refused or failed, 2 wrong usage, 3 agent not reachable, 130
 * interrupted while it watched.
 */
export const exitCodes = { done: 0, failed: 1, usage: 2, unreachable: 3, interrupted: 130 } as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

const USAGE_CODES: ReadonlySet<string> = new Set([
  ...USAGE_ERROR_CODES,
  'init-answers',
  'config-unreadable',
  'config-not-yaml',
  'config-invalid',
  'url-invalid',
  'url-scheme',
  'url-userinfo',
  'pin-malformed',
  'invitation-malformed',
  'invitation-cut',
  'invitation-mistyped',
  'invitation-version',
  'invitation-expiry-invalid',
  'relationship-invalid',
  'event-kind-unknown',
]);

const USAGE_PREFIXES = ['trust-domain-', 'id-'];

/**
 * The exit code for an error's stable code: what the caller typed is 2, an agent that does not
 * answer is 3, the rest is 1.
 */
export function exitCodeFor(code: string | undefined): ExitCode {
  if (code === undefined) return exitCodes.failed;
  if (code === 'agent-unreachable') return exitCodes.unreachable;
  const usage = USAGE_CODES.has(code) || USAGE_PREFIXES.some((prefix) => code.startsWith(prefix));
  return usage ? exitCodes.usage : exitCodes.failed;
}
