import { Client, type ClientDuplexStream, credentials, Metadata } from '@grpc/grpc-js';
import protobuf from 'protobufjs';
import { freePorts } from '../../src/demonstration/demo/free-ports.ts';
import {
  type DiscoveryRequest,
  type DiscoveryResponse,
  secretDiscoveryService,
} from '../../src/grpc/index.ts';
import { type Certificate, certificatesFromPem, parseCertificate } from '../../src/spiffe/index.ts';
import { Child } from '../support/child.ts';
import type { Cluster } from './cluster.ts';
import { ISTIO_NAMESPACE } from './istio-cluster.ts';

/** What a proxy subscribes besides its roots, so that `/debug/config_dump` shows it. */
const CLUSTERS = 'type.googleapis.com/envoy.config.cluster.v3.Cluster';
/** The sidecar of the pod `web` in `shop`; its labels decide about policies and failover. */
const NODE = nodeField('sidecar~10.0.0.9~web.shop~shop.svc.cluster.local', {
  NAMESPACE: 'shop',
  LABELS: { app: 'web' },
});
const ENDPOINTS = 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment';
/** Endpoints are subscribed by cluster: that of the import `failover` of the checks. */
const FAILOVER_CLUSTERS = ['outbound|80||failover.west.federated'];
const LISTENERS = 'type.googleapis.com/envoy.config.listener.v3.Listener';
const PROXY_CONFIG = 'type.googleapis.com/istio.mesh.v1alpha1.ProxyConfig';
const CA_CERTIFICATES_FIELD = 34;

/** A real istiod, and a proxy that has subscribed the roots it is given (PCDS). */
export interface Istiod {
  /** The roots that were pushed last. */
  readonly pushed: readonly Certificate[];
  /** The whole configuration of that proxy, a sidecar of namespace `shop`, as text of JSON. */
  proxyConfig(): Promise<string>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Starts `pilot-discovery` over the cluster and waits for its first push. */
export async function startIstiod(
  executable: string,
  cluster: Cluster,
  words: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<Istiod> {
  const [grpc = 0, http = 0, monitoring = 0] = await freePorts(3);
  const program = new Child(
    executable,
    [
      'discovery',
      '--registries=Kubernetes',
      `--kubeconfig=${cluster.writeAdminKubeconfig()}`,
      `--grpcAddr=127.0.0.1:${grpc}`,
      `--httpAddr=127.0.0.1:${http}`,
      `--monitoringAddr=127.0.0.1:${monitoring}`,
      '--httpsAddr=',
      '--secureGRPCAddr=',
      '--ctrlz_port=0',
      ...words,
    ],
    { ISTIO_MULTIROOT_MESH: 'true', CLUSTER_ID: 'Kubernetes', POD_NAMESPACE: ISTIO_NAMESPACE, ...env },
  );
  let pushed: readonly Certificate[] = [];
  let client: Client | undefined;
  // Until it listens every stream fails at once, so each look takes a new one.
  await program.until('its first push', () => {
    if (pushed.length > 0) return true;
    client?.close();
    client = new Client(`127.0.0.1:${grpc}`, credentials.createInsecure());
    subscribe(client, (roots) => {
      pushed = roots;
    });
    return new Promise((resolve) => setTimeout(() => resolve(pushed.length > 0), 1000));
  });
  return {
    get pushed() {
      return pushed;
    },
    proxyConfig: async () => {
      const path = '/debug/config_dump?include_eds=true&proxyID=web.shop';
      return await (await fetch(`http://127.0.0.1:${http}${path}`)).text();
    },
    [Symbol.asyncDispose]: async () => {
      client?.close();
      await program[Symbol.asyncDispose]();
    },
  };
}

function subscribe(client: Client, onPush: (roots: readonly Certificate[]) => void): void {
  const { requestSerialize, responseDeserialize } = secretDiscoveryService.StreamSecrets;
  const call: ClientDuplexStream<DiscoveryRequest, DiscoveryResponse> = client.makeBidiStreamRequest(
    '/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources',
    // Parts of one message that follow each other are one message.
    (request: DiscoveryRequest) => Buffer.concat([requestSerialize(request), NODE]),
    responseDeserialize,
    new Metadata(),
  );
  const ask = (type_url: string, version_info = '', response_nonce = '') =>
    call.write({
      version_info,
      response_nonce,
      type_url,
      resource_names: type_url === ENDPOINTS ? FAILOVER_CLUSTERS : [],
    });
  call.on('error', () => {});
  call.on('data', ({ type_url: type, version_info: version, nonce, resources }: DiscoveryResponse) => {
    if (type === PROXY_CONFIG) onPush(resources.flatMap(({ value }) => rootsOf(value)));
    ask(type, version, nonce);
  });
  for (const type of [PROXY_CONFIG, CLUSTERS, ENDPOINTS, LISTENERS]) ask(type);
}

function rootsOf(proxyConfig: Uint8Array): Certificate[] {
  const reader = protobuf.Reader.create(proxyConfig);
  const roots: Certificate[] = [];
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (tag >>> 3 !== CA_CERTIFICATES_FIELD) reader.skipType(tag & 7);
    else roots.push(...certificatesFromPem(reader.string()).map(parseCertificate));
  }
  return roots;
}

type NodeMetadata = { readonly [name: string]: string | NodeMetadata };

/** Field 2 of a DiscoveryRequest: the node with its ID (1), cluster (2) and metadata (3). */
function nodeField(id: string, metadata: NodeMetadata): Uint8Array {
  const node = protobuf.Writer.create().uint32(0x0a).string(id).uint32(0x12).string('web');
  node.uint32(0x1a).bytes(structOf(metadata));
  return protobuf.Writer.create().uint32(0x12).bytes(node.finish()).finish();
}

/** A `google.protobuf.Struct`: entries (1) of a key (1) and a value (2), a text (3) or a struct (5). */
function structOf(fields: NodeMetadata): Uint8Array {
  const struct = protobuf.Writer.create();
  for (const [key, value] of Object.entries(fields)) {
    const held = protobuf.Writer.create();
    if (typeof value === 'string') held.uint32(0x1a).string(value);
    else held.uint32(0x2a).bytes(structOf(value));
    const entry = protobuf.Writer.create().uint32(0x0a).string(key).uint32(0x12).bytes(held.finish());
    struct.uint32(0x0a).bytes(entry.finish());
  }
  return struct.finish();
}
