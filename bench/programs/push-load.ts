import { setTimeout as sleep } from 'node:timers/promises';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import {
  type DiscoveryRequest,
  type DiscoveryResponse,
  SECRET_TYPE_URL,
  secretDiscoveryService,
  spiffeWorkloadService,
} from '../../src/grpc/index.ts';

/** Many proxies, or many workloads, each with a connection of its own to one workload socket. Prints a line each time that all of them have heard of a change. */
const { socket, clients, kind } = JSON.parse(process.argv[2] ?? '{}') as {
  readonly socket: string;
  readonly clients: number;
  readonly kind: 'sds' | 'workload';
};
let heard = 0;

function count(): void {
  heard += 1;
  if (heard % clients === 0) process.stdout.write(`${JSON.stringify({ round: heard / clients })}\n`);
}

function openClient(): Client {
  return new Client(`unix:${socket}`, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });
}

/** A proxy that asks for all bundles and acknowledges what it gets. */
function subscribe(index: number): void {
  const { path, requestSerialize, responseDeserialize } = secretDiscoveryService.StreamSecrets;
  const stream = openClient().makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
  const request = (rest: Pick<DiscoveryRequest, 'version_info' | 'response_nonce'>) =>
    stream.write({
      node: { id: `proxy-${index}`, cluster: 'bench' },
      resource_names: ['ALL'],
      type_url: SECRET_TYPE_URL,
      ...rest,
    });
  stream.on('data', ({ version_info, nonce }: DiscoveryResponse) => {
    request({ version_info, response_nonce: nonce });
    count();
  });
  stream.on('error', (error) => process.stderr.write(`${error.message}\n`));
  request({ version_info: '', response_nonce: '' });
}

/** A workload that follows all bundles. */
function follow(): void {
  const { path, requestSerialize, responseDeserialize } = spiffeWorkloadService.FetchX509Bundles;
  const metadata = new Metadata();
  metadata.set('workload.spiffe.io', 'true');
  const stream = openClient().makeServerStreamRequest(
    path,
    requestSerialize,
    responseDeserialize,
    {},
    metadata,
  );
  stream.on('data', count);
  stream.on('error', (error) => process.stderr.write(`${error.message}\n`));
}

for (let index = 0; index < clients; index += 1) {
  if (index % 50 === 49) await sleep(50);
  if (kind === 'sds') subscribe(index);
  else follow();
}
