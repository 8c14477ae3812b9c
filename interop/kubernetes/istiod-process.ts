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

const PROXY_CONFIG = 'type.googleapis.com/istio.mesh.v1alpha1.ProxyConfig';
const CA_CERTIFICATES_FIELD = 34;

/** A real istiod, and a proxy that has subscribed the roots it is given (PCDS). */
export interface Istiod {
  /** The roots that were pushed last. */
  readonly pushed: readonly Certificate[];
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
    requestSerialize,
    responseDeserialize,
    new Metadata(),
  );
  const ask = (version_info: string, response_nonce: string) =>
    call.write({
      version_info,
      response_nonce,
      type_url: PROXY_CONFIG,
      resource_names: [],
      node: { id: 'sidecar~10.0.0.9~web.shop~shop.svc.cluster.local', cluster: 'web' },
    });
  call.on('error', () => {});
  call.on('data', ({ version_info: version, nonce, resources }: DiscoveryResponse) => {
    onPush(resources.flatMap(({ value }) => rootsOf(value)));
    ask(version, nonce);
  });
  ask('', '');
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
