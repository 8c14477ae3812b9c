import { loadProto, messageType } from './message-type.ts';
import type { AnyMessage } from './sds.ts';
import { method } from './service.ts';

export interface ExchangeSecretRequest {
  readonly peer_id: string;
  readonly establishment_secret: string;
}

export interface ExchangeSecretResponse {
  readonly stream_secret: string;
}

/** One message of the stream, in either direction; exactly one member is set. */
export interface ReplicationMessage {
  readonly open?: {
    readonly peer_id: string;
    readonly stream_secret_id: string;
    readonly remote?: { readonly partition: string; readonly datacenter: string };
  };
  /** A subscription (empty nonce), an ACK (nonce) or a NACK (nonce and error). */
  readonly request?: {
    readonly peer_id: string;
    readonly response_nonce: string;
    readonly resource_url: string;
    readonly error?: { readonly code: number; readonly message: string };
  };
  readonly response?: {
    readonly nonce: string;
    readonly resource_url: string;
    readonly resource_id: string;
    readonly resource?: AnyMessage;
    /** 1 is UPSERT, the only one. */
    readonly operation: number;
  };
  readonly terminated?: Record<string, never>;
  readonly heartbeat?: Record<string, never>;
}

export interface PeeringTrustBundle {
  readonly trust_domain: string;
  readonly peer_name: string;
  readonly partition: string;
  readonly root_pems: readonly string[];
  readonly exported_partition: string;
  /** 64-bit, as decimal text. */
  readonly create_index?: string;
  readonly modify_index?: string;
}

/** One instance of a service as a peer announces it. */
export interface CheckServiceNode {
  readonly node: {
    readonly id: string;
    readonly node: string;
    readonly address: string;
    readonly datacenter: string;
    readonly meta: Readonly<Record<string, string>>;
  };
  readonly service: {
    /** `connect-proxy` for the instances that stand for a service of the mesh. */
    readonly kind: string;
    readonly id: string;
    readonly service: string;
    readonly address: string;
    readonly meta: Readonly<Record<string, string>>;
    readonly port: number;
    readonly weights?: { readonly passing: number; readonly warning: number };
    readonly proxy?: {
      readonly destination_service_name: string;
      readonly destination_service_id: string;
    };
    readonly connect?: {
      /** The name that the importer's proxies send, the identities that they accept, the protocol. */
      readonly peer_meta?: {
        readonly sni: readonly string[];
        readonly spiffe_id: readonly string[];
        readonly protocol: string;
      };
    };
  };
  readonly checks: readonly {
    readonly node: string;
    readonly check_id: string;
    readonly name: string;
    /** `passing`, `warning` or `critical`. */
    readonly status: string;
    readonly output: string;
    readonly service_id: string;
    readonly service_name: string;
  }[];
}

/** Every instance of one service. Without one the importer deletes the service. */
export interface ExportedService {
  readonly nodes: readonly CheckServiceNode[];
}

/**
 * The resource URLs of the stream; each equals the type URL of the `Any` that carries the resource.
 */
export const PEERING_TRUST_BUNDLE_URL =
  'type.googleapis.com/hashicorp.consul.internal.peering.PeeringTrustBundle';
export const PEERING_SERVER_ADDRESSES_URL =
  'type.googleapis.com/hashicorp.consul.internal.peering.PeeringServerAddresses';
export const EXPORTED_SERVICE_URL =
  'type.googleapis.com/hashicorp.consul.internal.peerstream.ExportedService';
export const EXPORTED_SERVICE_LIST_URL =
  'type.googleapis.com/hashicorp.consul.internal.peerstream.ExportedServiceList';

const root = loadProto('peerstream');

export const peeringTrustBundleMessage = messageType<PeeringTrustBundle>(
  root,
  'federate.peerstream.PeeringTrustBundle',
);
export const peeringServerAddressesMessage = messageType<{ readonly addresses: readonly string[] }>(
  root,
  'federate.peerstream.PeeringServerAddresses',
);
export const exportedServiceListMessage = messageType<{ readonly services: readonly string[] }>(
  root,
  'federate.peerstream.ExportedServiceList',
);
export const exportedServiceMessage = messageType<ExportedService>(
  root,
  'federate.peerstream.ExportedService',
);
export const leaderAddressMessage = messageType<{ readonly address: string }>(
  root,
  'federate.peerstream.LeaderAddress',
);
/** `google.rpc.Status`, as it travels in `grpc-status-details-bin`. */
export const statusMessage = messageType<{
  readonly code: number;
  readonly message: string;
  readonly details: readonly AnyMessage[];
}>(root, 'federate.peerstream.Status');

const replicationMessage = messageType<ReplicationMessage>(root, 'federate.peerstream.ReplicationMessage');

/** Consul's `PeerStreamService`. */
export const peerStreamService = {
  ExchangeSecret: method({
    path: '/hashicorp.consul.internal.peerstream.PeerStreamService/ExchangeSecret',
    request: messageType<ExchangeSecretRequest>(root, 'federate.peerstream.ExchangeSecretRequest'),
    response: messageType<ExchangeSecretResponse>(root, 'federate.peerstream.ExchangeSecretResponse'),
    requestStream: false,
    responseStream: false,
  }),
  StreamResources: method({
    path: '/hashicorp.consul.internal.peerstream.PeerStreamService/StreamResources',
    request: replicationMessage,
    response: replicationMessage,
    requestStream: true,
    responseStream: true,
  }),
} as const;
