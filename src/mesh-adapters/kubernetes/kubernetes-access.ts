import type { RequestOptions } from 'node:https';
import { dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import { readRegularText } from '../../platform/index.ts';
import { parse } from 'yaml';
import { MeshAdapterError } from '../contract/errors.ts';
import type { ApiAccess } from '../contract/json-api.ts';
import { readCredentials } from '../contract/credential-files.ts';

/**
 * Gives the address of the API server, with trust, client certificate and headers for one request.
 * They are found every time, because tokens are renewed.
 */
export type KubernetesAccess = () => Promise<ApiAccess>;

export type KubernetesSource =
  | { readonly kind: 'in-cluster'; readonly serviceAccountFolder?: string; readonly server?: string }
  | { readonly kind: 'kubeconfig'; readonly path: string; readonly context?: string };

/** The package has read the kubeconfig before, and refuses another form. */
const NOBODY = { name: undefined, user: {} };
const USERS = z
  .object({
    users: z
      .array(
        z
          .object({
            name: z.unknown().optional(),
            user: z.object({ tokenFile: z.string().optional() }).catch({}),
          })
          .catch(NOBODY),
      )
      .catch([]),
  })
  .catch({ users: [] });
const SERVICE_ACCOUNT_FOLDER = '/var/run/secrets/kubernetes.io/serviceaccount';
/** Every cluster's DNS has it, and every API server's certificate names it. */
const IN_CLUSTER_SERVER = 'https://kubernetes.default.svc';

/**
 * Finds the way to the API server. Throws `MeshAdapterError` `credentials-unusable` for a
 * kubeconfig that is not there, does not parse, or names no such context or cluster.
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

/**
 * The service account of the pod, read from its files for every request as the kubelet renews them.
 */
function inClusterAccess(source: KubernetesSource & { kind: 'in-cluster' }): KubernetesAccess {
  const folder = source.serviceAccountFolder ?? SERVICE_ACCOUNT_FOLDER;
  const read = async (name: string) => {
    try {
      return await readRegularText(join(folder, name));
    } catch (cause) {
      throw unusable(`${join(folder, name)} of the service account could not be read`, cause);
    }
  };
  return async () => {
    const [token, ca] = await Promise.all([read('token'), read('ca.crt')]);
    const connection = { ca, headers: { authorization: `Bearer ${token.trim()}` } };
    return { address: source.server ?? IN_CLUSTER_SERVER, connection };
  };
}

async function kubeconfigAccess({
  path,
  context,
}: KubernetesSource & { kind: 'kubeconfig' }): Promise<KubernetesAccess> {
  // Loaded here alone: the package is large, and only a kubeconfig with its many kinds of
  // credentials needs it.
  const { KubeConfig } = await import('@kubernetes/client-node');
  const config = new KubeConfig();
  let tokenFile: string | undefined;
  try {
    const text = await readRegularText(path);
    config.loadFromString(text);
    config.makePathsAbsolute(dirname(path));
    if (context !== undefined) {
      if (!config.getContextObject(context))
        throw new TypeError(`context ${JSON.stringify(context)} does not exist`);
      config.setCurrentContext(context);
    }
    tokenFile = tokenFileIn(text, config.getCurrentUser()?.name, dirname(path));
  } catch (cause) {
    throw unusable(`kubeconfig ${JSON.stringify(path)} cannot be used`, cause);
  }
  const cluster = config.getCurrentCluster();
  if (!cluster || !URL.canParse(cluster.server))
    throw unusable(`kubeconfig ${JSON.stringify(path)} names no cluster for its context`);
  return async () => {
    const options: RequestOptions = {};
    try {
      await config.applyToHTTPSOptions(options);
    } catch (cause) {
      throw unusable(`the credentials in kubeconfig ${JSON.stringify(path)} cannot be used`, cause);
    }
    const { headers, ...connection } = options;
    const sent = textHeaders(headers);
    if (tokenFile !== undefined)
      sent['authorization'] = `Bearer ${await readCredentials('token', tokenFile)}`;
    return { address: cluster.server, connection: { ...connection, headers: sent } };
  };
}

/**
 * The path in the user's `tokenFile`, a field that the package does not know; projected tokens use
 * it. A relative path starts at `folder`.
 */
function tokenFileIn(kubeconfig: string, userName: string | undefined, folder: string): string | undefined {
  const { users } = USERS.parse(parse(kubeconfig));
  const tokenFile = users.find(({ name }) => name === userName)?.user.tokenFile;
  return tokenFile ? resolve(folder, tokenFile) : undefined;
}

/**
 * The headers that are one text each, which those of credentials are, by their names in small
 * letters.
 */
function textHeaders(headers: RequestOptions['headers']): Record<string, string> {
  return Object.fromEntries(
    Object.entries(Object(headers))
      .filter((entry): entry is [string, string] => typeof entry[1] === 'string')
      .map(([name, value]) => [name.toLowerCase(), value]),
  );
}

function unusable(message: string, cause?: unknown): MeshAdapterError {
  return new MeshAdapterError('credentials-unusable', message, cause === undefined ? {} : { cause });
}
