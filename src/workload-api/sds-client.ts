import { SECRET_TYPE_URL, secretDiscoveryService } from '../grpc/index.ts';
import { DiscoveryClient, type DiscoveryClientOptions, type ResourceKind } from './discovery-client.ts';
import { decodeSecret, type SdsSecret } from './secret.ts';

export interface SdsClientOptions extends Omit<DiscoveryClientOptions<SdsSecret>, 'kind'> {
  readonly resourceNames: readonly string[];
}

const secretKind: ResourceKind<SdsSecret> = {
  label: 'SDS secret',
  typeUrl: SECRET_TYPE_URL,
  method: secretDiscoveryService.StreamSecrets,
  decode: decodeSecret,
  isComplete: false,
};

/** Asks an SDS server for secrets and keeps them as they change. */
export class SdsClient extends DiscoveryClient<SdsSecret> {
  constructor(options: SdsClientOptions) {
    super({ ...options, kind: secretKind });
  }
}
