import type { Environment, Log } from '../platform/index.ts';
import type { AgentConfig } from '../config/index.ts';

/** The variables by which other programs find their proxy. */
const VARIABLES = ['HTTPS_PROXY', 'https_proxy', 'ALL_PROXY', 'all_proxy'];

/**
 * Logs in one line that a proxy in the environment is ignored, where the config names none. The
 * values are left out, because they often hold a password.
 */
export function noticeIgnoredProxy(
  environment: Environment,
  { federation }: { readonly federation: Pick<AgentConfig['federation'], 'proxy'> },
  log: Log,
): void {
  if (federation.proxy) return;
  const variables = VARIABLES.filter((name) => (environment[name] ?? '') !== '');
  if (variables.length === 0) return;
  log.warn('the environment names a proxy, which is ignored; set federation.proxy in the config to use it', {
    variables,
  });
}
