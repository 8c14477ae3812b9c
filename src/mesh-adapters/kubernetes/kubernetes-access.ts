import { readFile } from 'node:fs/promises';
import type { RequestOptions } from 'node:https';
import { join } from 'node:path';
import { MeshAdapterError } from '../errors.ts';
import type { ConnectionOptions } from '../http-request.ts';

/** Where the API server is and how to speak to it. */
export interface KubernetesAccess {
  readonly server: URL;
  /** Trust, client certificate and headers for one request; asked every time, because tokens are renewed. */
  readonly connection: () => Promise<ConnectionOptions>;
}

export type KubernetesSource =
  | { readonly kind: 'in-cluster'; readonly serviceAccountFolder?: string; readonly server?: string }
  | { readonly kind: 'kubeconfig'; readonly path: string; readonly context?: string };

const SERVICE_ACCOUNT_FOLDER = '/var/run/secrets/kubernetes.io/serviceaccount';
/** Every cluster's DNS has it, and every API server's certificate names it. */
const IN_CLUSTER_SERVER = 'https://kubernetes.default.svc';

/**
 * Finds the way to the API server. Throws `MeshAdapterError` `credentials-unusable` for a kubeconfig that is not there,
 * does not parse, or names no such context or cluster.
 */
export async function openKubernetesAccess(source: KubernetesSource): Promise<KubernetesAccess> {
  switch (source.kind) {
    case 'in-cluster':
      return inClusterAccess(source);
    case 'kubeconfig':
      return await kubeconfigAccess(source);
    default:
      return source satisfies never;
  }
}

/** The service account of the pod, read from its files for every request as the kubelet renews them. */
function inClusterAccess(source: KubernetesSource & { kind: 'in-cluster' }): KubernetesAccess {
  const folder = source.serviceAccountFolder ?? SERVICE_ACCOUNT_FOLDER;
  const read = async (name: string) => {
    try {
      return await readFile(join(folder, name), 'utf8');
    } catch (cause) {
      throw unusable(`${join(folder, name)} of the service account could not be read`, cause);
    }
  };
  return {
    server: new URL(source.server ?? IN_CLUSTER_SERVER),
    connection: async () => {
      const [token, ca] = await Promise.all([read('token'), read('ca.crt')]);
      return { ca, headers: { authorization: `Bearer ${token.trim()}` } };
    },
  };
}

async function kubeconfigAccess({
  path,
  context,
}: KubernetesSource & { kind: 'kubeconfig' }): Promise<KubernetesAccess> {
  // Loaded here alone: the package is large, and only a kubeconfig with its many kinds of credentials needs it.
  const { KubeConfig } = await import('@kubernetes/client-node');
  const config = new KubeConfig();
  try {
    config.loadFromFile(path);
    if (context !== undefined) {
      if (!config.getContextObject(context))
        throw new TypeError(`there is no context ${JSON.stringify(context)}`);
      config.setCurrentContext(context);
    }
  } catch (cause) {
    throw unusable(`kubeconfig ${JSON.stringify(path)} cannot be used`, cause);
  }
  const cluster = config.getCurrentCluster();
  if (!cluster || !URL.canParse(cluster.server))
    throw unusable(`kubeconfig ${JSON.stringify(path)} names no cluster for its context`);
  return {
    server: new URL(cluster.server),
    connection: async () => {
      const options: RequestOptions = {};
      try {
        await config.applyToHTTPSOptions(options);
      } catch (cause) {
        throw unusable(`the credentials in kubeconfig ${JSON.stringify(path)} cannot be used`, cause);
      }
      const { headers, ...connection } = options;
      return { ...connection, headers: textHeaders(headers) };
    },
  };
}

/** The headers that are one text each, which those of credentials are. */
function textHeaders(headers: RequestOptions['headers']): Record<string, string> {
  return Object.fromEntries(
    Object.entries(Object(headers)).filter(
      (entry): entry is [string, string] => typeof entry[1] === 'string',
    ),
  );
}

function unusable(message: string, cause?: unknown): MeshAdapterError {
  return new MeshAdapterError('credentials-unusable', message, cause === undefined ? {} : { cause });
}
