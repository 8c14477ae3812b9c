import { statSync } from 'node:fs';
import { type KubernetesSource, meshesInCluster } from '../../mesh-adapters/index.ts';
import { defined } from '../../objects/index.ts';
import { type Clock, describeError, type Environment } from '../../platform/index.ts';
import { isInCluster, usualKubernetes } from '../usual-kubeconfig.ts';

/** How long the cluster and the Consul may take; both are asked at once. */
const ANSWER_MS = 3000;

/** Where the SPIFFE Workload API of a SPIRE agent usually is. */
const WORKLOAD_SOCKETS = [
  '/run/spire/agent/api.sock',
  '/run/spire/sockets/agent.sock',
  '/run/spire/agent-sockets/spire-agent.sock',
  '/run/secrets/workload-spiffe-uds/socket',
  '/tmp/spire-agent/public/api.sock',
] as const;

/** Where the admin socket of a SPIRE server usually is. */
const SERVER_SOCKETS = [
  '/run/spire/server/private/api.sock',
  '/run/spire/server-sockets/api.sock',
  '/tmp/spire-server/private/api.sock',
] as const;

/** What `federate init` has found on this machine. */
export interface Surroundings {
  /** The cluster that kubectl would use, and the meshes in it. */
  readonly kubernetes?: {
    readonly source: KubernetesSource;
    readonly meshes: readonly ('istio' | 'linkerd' | 'kuma')[];
  };
  readonly consul?: { readonly address: string; readonly trustDomain?: string };
  /** The admin socket of a SPIRE server. */
  readonly spireServer?: string;
  /** The address of a SPIFFE Workload API. */
  readonly workloadApi?: string;
  /** What was found and what could not be asked, in sentences. */
  readonly report: readonly string[];
}

/**
 * Looks for meshes and for a source of an SVID on this machine. Changes nothing, and takes a few
 * seconds at most. Never rejects.
 */
export async function lookAround(environment: Environment, clock: Clock): Promise<Surroundings> {
  const [kubernetes, consul] = await Promise.all([
    findKubernetes(environment, clock),
    findConsul(environment),
  ]);
  const workloadApi = findWorkloadApi(environment);
  const spireServer = SERVER_SOCKETS.find(isSocket);
  return {
    ...kubernetes.found,
    ...consul.found,
    ...defined({ workloadApi, spireServer }),
    report: [
      ...kubernetes.report,
      ...consul.report,
      ...(spireServer === undefined ? [] : [`a SPIRE server at ${spireServer}`]),
      ...(workloadApi === undefined ? [] : [`a SPIFFE Workload API at ${workloadApi}`]),
    ],
  };
}

interface Look {
  readonly found: Pick<Surroundings, 'kubernetes' | 'consul'>;
  readonly report: readonly string[];
}

const NOTHING: Look = { found: {}, report: [] };

async function findKubernetes(environment: Environment, clock: Clock): Promise<Look> {
  const source = usualKubernetes(environment);
  if (source.kind === 'in-cluster' && !isInCluster(environment)) return NOTHING;
  const name = source.kind === 'kubeconfig' ? `the cluster of ${source.path}` : 'the cluster of this pod';
  try {
    const meshes = await meshesInCluster({
      source,
      ms: ANSWER_MS,
      clock,
      signal: new AbortController().signal,
    });
    const what = meshes.length === 0 ? 'no mesh that we know' : meshes.join(' and ');
    return { found: { kubernetes: { source, meshes } }, report: [`${what} in ${name}`] };
  } catch (error) {
    return { found: {}, report: [`${name}, which could not be read: ${describeError(error).message}`] };
  }
}

async function findConsul(environment: Environment): Promise<Look> {
  const named = environment['CONSUL_HTTP_ADDR'];
  const scheme = environment['CONSUL_HTTP_SSL'] === 'true' ? 'https' : 'http';
  const address = named === undefined || named === '' ? '127.0.0.1:8500' : named;
  const url = /^https?:\/\//.test(address) ? address : `${scheme}://${address}`;
  if (!URL.canParse(url))
    return { found: {}, report: [`CONSUL_HTTP_ADDR, which is not an address: ${address}`] };
  const token = environment['CONSUL_HTTP_TOKEN'];
  try {
    const answer = await fetch(new URL('/v1/connect/ca/roots', url), {
      headers: token === undefined || token === '' ? {} : { 'x-consul-token': token },
      signal: AbortSignal.timeout(ANSWER_MS),
      redirect: 'error',
    });
    const document: unknown = answer.ok ? await answer.json() : undefined;
    const trustDomain: unknown = Object(document).TrustDomain;
    if (answer.ok && typeof trustDomain !== 'string') return NOTHING;
    // Without a token a Consul with ACLs refuses. Its headers still say what it is.
    const isConsul = answer.ok || [...answer.headers.keys()].some((name) => name.startsWith('x-consul-'));
    if (!isConsul) return NOTHING;
    const named = typeof trustDomain === 'string' ? { trustDomain } : {};
    return {
      found: { consul: { address: url, ...named } },
      report: [
        `a Consul at ${url}${typeof trustDomain === 'string' ? ` (${trustDomain})` : `, which answers ${answer.status}`}`,
      ],
    };
  } catch (error) {
    // Nothing listens at the usual address: that is not worth a line. A named one is.
    if (named === undefined || named === '') return NOTHING;
    return {
      found: {},
      report: [`a Consul at ${url}, which could not be asked: ${describeError(error).message}`],
    };
  }
}

function findWorkloadApi(environment: Environment): string | undefined {
  const named = environment['SPIFFE_ENDPOINT_SOCKET'];
  if (named !== undefined && named !== '') return named;
  const socket = WORKLOAD_SOCKETS.find(isSocket);
  return socket === undefined ? undefined : `unix://${socket}`;
}

function isSocket(path: string): boolean {
  try {
    return statSync(path).isSocket();
  } catch {
    return false;
  }
}
