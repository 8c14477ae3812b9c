import { InvalidArgumentError } from 'commander';
import type { AccessPolicy } from '../../services/index.ts';
import type { AccessPolicyDocument } from '../../admin-client/index.ts';
import { type AgentOptions, agentFor } from '../agent-options.ts';
import { UsageError } from '../usage-error.ts';

/** A verb's words about whose rules it means: a policy file, or the rules that the agent has. */
export interface PolicyOptions extends AgentOptions {
  readonly service?: string;
}

/** Throws `UsageError` unless exactly one of both is given. */
export function fileOrService(file: string | undefined, { service }: PolicyOptions): void {
  if ((file === undefined) === (service === undefined))
    throw new UsageError('give a policy file, or --service for the rules that the agent has');
}

/** Throws `ConfigError` with every mistake. */
export async function readPolicy(file: string): Promise<AccessPolicy> {
  const { accessPolicySchema, readConfig } = await import('../../config/index.ts');
  return readConfig(file, accessPolicySchema).config;
}

/** The rules that the agent has about a service, those that do not fit it left out. */
export async function storedPolicy(
  service: string,
  options: PolicyOptions,
): Promise<{ readonly policy: AccessPolicy; readonly document: AccessPolicyDocument }> {
  const document = await agentFor(options).call('GET /v1/access/{service}', { params: { service } });
  if (document.ports === null)
    throw new UsageError(`our mesh does not have ${JSON.stringify(service)} now, so its ports are not known`);
  const { parseServiceId, readRule } = await import('../../services/index.ts');
  const ports = document.ports.map(({ server_first: serverFirst, ...port }) => ({ ...port, serverFirst }));
  // Without a deny rule that does not fit, the rest could allow too much.
  const isWider = document.rules.some(({ effect, unfit }) => effect === 'deny' && unfit !== null);
  const rules = document.rules
    .filter(({ effect, unfit }) => unfit === null && !(isWider && effect === 'allow'))
    .map((rule) => readRule(rule.id, rule));
  return { policy: { service: { id: parseServiceId(service), ports }, rules }, document };
}

export function pair(what: string) {
  return (
    text: string,
    before: Readonly<Record<string, string>> | undefined,
  ): Readonly<Record<string, string>> => {
    const equals = text.indexOf('=');
    if (equals < 1) throw new InvalidArgumentError(`${what} is "name=value", not ${JSON.stringify(text)}`);
    return { ...before, [text.slice(0, equals)]: text.slice(equals + 1) };
  };
}
