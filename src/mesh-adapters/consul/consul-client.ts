import type { Clock } from '../../platform/index.ts';
import { accessByFiles, JsonApi } from '../contract/json-api.ts';

/** The HTTP API of a Consul server or agent. */
export type ConsulClient = Pick<JsonApi, 'send'>;

export function createConsulClient(options: {
  readonly address: string;
  readonly tokenFile?: string | undefined;
  readonly caFile?: string | undefined;
  readonly datacenter?: string | undefined;
  readonly clock: Clock;
}): ConsulClient {
  const { datacenter, clock } = options;
  return new JsonApi({
    access: accessByFiles({ ...options, credentials: (token) => ({ 'x-consul-token': token }) }),
    query: datacenter ? { dc: datacenter } : {},
    refusalOf: (body) => body.toString('utf8'),
    clock,
  });
}
