import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { freePorts } from '../../src/demo/free-ports.ts';
import { tempDir } from '../support/temp-dir.ts';
import { eventually, startProgram } from './program.ts';

const ADMIN = 'admin-token';
const AGENT = 'agent-token';

/** A real API server over a real etcd, with RBAC. */
export interface KubernetesServer {
  readonly folder: ReturnType<typeof tempDir>;
  readonly adminKubeconfig: string;
  /** Of a user without any right but what the test gives. */
  readonly agentKubeconfig: string;
  /** A request that may do everything. */
  call(method: string, path: string, body?: unknown): Promise<unknown>;
  /** Lets the agent do what an Istio adapter needs in the namespace. */
  allowAgent(namespace: string, configMaps: readonly string[]): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Starts both on free ports and waits until the API server is ready. */
export async function startKubernetes(binaries: {
  readonly etcd: string;
  readonly apiServer: string;
  /** Further words for the API server. */
  readonly words?: readonly string[];
}): Promise<KubernetesServer> {
  const folder = tempDir();
  const [client = 0, peer = 0, secure = 0] = await freePorts(3);
  const etcd = startProgram(
    binaries.etcd,
    [
      `--data-dir=${folder.file('etcd')}`,
      `--listen-client-urls=http://127.0.0.1:${client}`,
      `--advertise-client-urls=http://127.0.0.1:${client}`,
      `--listen-peer-urls=http://127.0.0.1:${peer}`,
      `--initial-advertise-peer-urls=http://127.0.0.1:${peer}`,
      `--initial-cluster=default=http://127.0.0.1:${peer}`,
    ],
    { logFile: folder.file('etcd.log') },
  );
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  writeFileSync(folder.file('sa.key'), privateKey.export({ format: 'pem', type: 'pkcs8' }));
  writeFileSync(
    folder.file('tokens.csv'),
    `${ADMIN},admin,admin,"system:masters"\n${AGENT},federate-agent,federate-agent\n`,
  );
  const api = startProgram(
    binaries.apiServer,
    [
      `--etcd-servers=http://127.0.0.1:${client}`,
      `--secure-port=${secure}`,
      '--bind-address=127.0.0.1',
      `--cert-dir=${folder.file('certs')}`,
      '--service-account-issuer=https://kubernetes.default.svc',
      `--service-account-key-file=${folder.file('sa.key')}`,
      `--service-account-signing-key-file=${folder.file('sa.key')}`,
      '--authorization-mode=RBAC',
      `--token-auth-file=${folder.file('tokens.csv')}`,
      '--service-cluster-ip-range=10.0.0.0/24',
      '--disable-admission-plugins=ServiceAccount',
      ...(binaries.words ?? []),
    ],
    { logFile: folder.file('api.log') },
  );
  const server = `https://127.0.0.1:${secure}`;
  const call = (method: string, path: string, body?: unknown) => send(server, method, path, body);
  await eventually(() => call('GET', '/api/v1/namespaces/kube-system'), 60);
  const kubeconfig = (name: string, token: string) => {
    const cluster = { server, 'insecure-skip-tls-verify': true };
    const text = JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'c', cluster }],
      users: [{ name: 'u', user: { token } }],
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
      'current-context': 'x',
    });
    writeFileSync(folder.file(name), text);
    return folder.file(name);
  };
  return {
    folder,
    adminKubeconfig: kubeconfig('admin.kubeconfig', ADMIN),
    agentKubeconfig: kubeconfig('agent.kubeconfig', AGENT),
    call,
    allowAgent: async (namespace, resourceNames) => {
      const within = `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}`;
      const metadata = { name: 'federate' };
      const configMaps = { apiGroups: [''], resources: ['configmaps'] };
      const rules = [
        { ...configMaps, verbs: ['get', 'list', 'watch'] },
        { ...configMaps, resourceNames, verbs: ['update'] },
      ];
      await call('POST', `${within}/roles`, { metadata, rules });
      await call('POST', `${within}/rolebindings`, {
        metadata,
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'federate' },
        subjects: [{ kind: 'User', name: 'federate-agent' }],
      });
    },
    [Symbol.asyncDispose]: async () => {
      await api[Symbol.asyncDispose]();
      await etcd[Symbol.asyncDispose]();
      folder[Symbol.dispose]();
    },
  };
}

/** The server has just made itself a certificate, which nobody could know. */
function send(server: string, method: string, path: string, body: unknown): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${ADMIN}`, 'content-type': 'application/json' };
    const outgoing = request(`${server}${path}`, { method, headers, rejectUnauthorized: false }, (answer) => {
      let text = '';
      answer.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
      answer.on('end', () => {
        if ((answer.statusCode ?? 0) < 300) resolve(JSON.parse(text));
        else reject(new Error(`${method} ${path}: ${answer.statusCode} ${text.slice(0, 300)}`));
      });
    });
    outgoing.on('error', reject);
    outgoing.end(body === undefined ? undefined : JSON.stringify(body));
  });
}
