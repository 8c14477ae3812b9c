import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { stringify } from 'yaml';
import { writeDurably } from '../../../platform/index.ts';

/**
 * Writes a kubeconfig with one cluster, one user and one context (mode 0600). Throws the system's
 * error.
 */
export async function writeKubeconfig(
  path: string,
  options: {
    readonly server: string;
    readonly caPem: string;
    readonly user: string;
    readonly token: string;
    readonly namespace: string;
  },
): Promise<void> {
  const cluster = 'simulated-istio';
  await mkdir(dirname(path), { recursive: true });
  const document = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': cluster,
    clusters: [
      {
        name: cluster,
        cluster: {
          server: options.server,
          'certificate-authority-data': Buffer.from(options.caPem).toString('base64'),
        },
      },
    ],
    users: [{ name: options.user, user: { token: options.token } }],
    contexts: [{ name: cluster, context: { cluster, user: options.user, namespace: options.namespace } }],
  };
  await writeDurably(path, stringify(document), 0o600);
}
