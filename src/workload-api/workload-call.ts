import { Client, credentials, Metadata, status } from '@grpc/grpc-js';
import type { EndpointAddress } from './endpoint-address.ts';
import { WORKLOAD_HEADER } from './workload-header.ts';

/** Ten thousand federated trust domains have some 20 MB of roots. */
const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;

/** A client of a Workload API. Its caller closes it. */
export function openWorkloadClient({ target }: EndpointAddress): Client {
  return new Client(target, credentials.createInsecure(), {
    'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
    // The message contains a key, so it must never pass a proxy from the environment.
    'grpc.enable_http_proxy': 0,
  });
}

/** What every request of the Workload API carries (WLAPI-03). */
export function workloadMetadata(): Metadata {
  const metadata = new Metadata();
  metadata.set(WORKLOAD_HEADER, 'true');
  return metadata;
}

/**
 * The library's decoration of a connection error: an instant, which would make each failure a new
 * one, and an empty note.
 */
const DECORATION = / ?\(\d{4}-\d\d-\d\dT[\d:.]+Z\)|\.? Resolution note: $/g;
const MAX_DETAILS = 1000;

/** A status of gRPC as text, the same for the same failure. */
export function describeStatus(code: status, details: string): string {
  if (code === status.OK) return 'it ended the stream without a message';
  return `${status[code]}: ${details.replaceAll(DECORATION, '').slice(0, MAX_DETAILS)}`;
}
