import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { parse } from 'yaml';

/** As much of the API's objects and lists as the tests look at; absent members read as undefined at run time. */
interface KubernetesBody {
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly uid: string;
    readonly resourceVersion: string;
    readonly annotations: Record<string, string>;
  };
  readonly data: Readonly<Record<'mesh' | 'extra' | 'key' | 'root-cert.pem', string>>;
  readonly items: readonly [KubernetesBody, ...KubernetesBody[]];
  readonly message: string;
}

interface WatchEvent {
  readonly type: string;
  readonly object: KubernetesBody;
}

/** A bare client of the Kubernetes API that a kubeconfig names. */
export function kubernetesClient(kubeconfigFile: string) {
  const config = parse(readFileSync(kubeconfigFile, 'utf8'));
  const { server, 'certificate-authority-data': ca } = config.clusters[0].cluster;
  const { token } = config.users[0].user;
  const options = (method: string, headers: Record<string, string>) => ({
    method,
    ca: Buffer.from(ca, 'base64'),
    agent: false as const,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers },
  });

  const call = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
    new Promise<{ status: number; body: KubernetesBody }>((resolve, reject) => {
      const outgoing = request(`${server}${path}`, options(method, headers), (incoming) => {
        let text = '';
        incoming.setEncoding('utf8');
        incoming.on('data', (chunk) => {
          text += chunk;
        });
        incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, body: JSON.parse(text) }));
      });
      outgoing.on('error', reject);
      const text = body === undefined ? '' : JSON.stringify(body);
      // Without it Node sends the body of a DELETE unframed.
      outgoing.setHeader('content-length', Buffer.byteLength(text));
      outgoing.end(text);
    });

  /** An open watch: its events so far, and whether the server ended it. */
  const watch = (path: string) =>
    new Promise<{ events: WatchEvent[]; ended: boolean; close(): void }>((resolve, reject) => {
      const outgoing = request(`${server}${path}`, options('GET', {}), (incoming) => {
        const state = { events: new Array<WatchEvent>(), ended: false, close: () => incoming.destroy() };
        let rest = '';
        incoming.setEncoding('utf8');
        incoming.on('data', (chunk: string) => {
          const lines = (rest + chunk).split('\n');
          rest = lines.pop() ?? '';
          state.events.push(...lines.map((line) => JSON.parse(line)));
        });
        incoming.on('close', () => {
          state.ended = true;
        });
        incoming.on('error', () => {});
        resolve(state);
      });
      outgoing.on('error', reject);
      outgoing.end();
    });
  return { call, watch };
}
