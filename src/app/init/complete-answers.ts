import { basename, resolve } from 'node:path';
import { defined } from '../../objects/index.ts';
import { parseEndpointUrl, parseTrustDomain, isTrustDomain } from '../../spiffe/index.ts';
import { type Answers, type Ask, InitError, type InitMesh, INIT_MESHES } from './answers.ts';
import type { PortChooser } from './choose-port.ts';
import type { Surroundings } from './surroundings.ts';

/** Where the agent has its identity from. */
export type ChosenIdentity =
  | { readonly from: 'workload-api'; readonly address: string }
  | { readonly from: 'sds'; readonly socket: string }
  | { readonly from: 'files'; readonly certificate: string; readonly key: string }
  /** A CA and an SVID that `federate init` makes, for a trial. */
  | { readonly from: 'trial-ca' };

/** Every answer that a config needs. */
export interface Choices {
  readonly mesh: InitMesh;
  /** Undefined where the mesh reports it. */
  readonly trustDomain: string | undefined;
  readonly url: string;
  readonly listen: string;
  /** The SVID; with `https_web` it is optional. */
  readonly identity: ChosenIdentity | undefined;
  readonly web:
    | { readonly certificate: string; readonly key: string; readonly caFile: string | undefined }
    | undefined;
  readonly roots: readonly string[];
  readonly kubeconfig: string | undefined;
  readonly context: string | undefined;
  readonly consul: string;
  readonly tokenFile: string | undefined;
  readonly spireSocket: string;
  readonly metrics: string | undefined;
}

/** What `completeAnswers` works with. */
export interface Completing {
  readonly folder: string;
  readonly found: Surroundings;
  /** Undefined: no operator is asked, and the usual answers count. */
  readonly ask: Ask | undefined;
  readonly ports: PortChooser;
  /** The address in the config that is replaced, with `--force`. */
  readonly before: { readonly url?: string; readonly listen?: string };
}

/**
 * Completes the answers: asks for what is missing, or takes the usual answer. Throws `InitError`
 * `init-answers`, and the errors of a trust domain or URL that cannot be used.
 */
export async function completeAnswers(given: Answers, around: Completing): Promise<Choices> {
  refuseContradictions(given);
  const { found, ask } = around;
  const mesh = given.mesh ?? (await chooseMesh(given, around));
  const trustDomain = await chooseTrustDomain(mesh, given, around);
  const { url, listen } = await chooseAddress(given, around);
  const isWeb = given.profile === 'https_web';
  const identity = isWeb ? socketSvid(given) : await chooseIdentity(mesh, given, around);
  const web = isWeb ? await chooseWeb(given, ask) : undefined;
  const { kubernetes } = found;
  const kubeconfig =
    given.kubeconfig ??
    (kubernetes?.source.kind === 'kubeconfig' && given.context === undefined
      ? kubernetes.source.path
      : undefined);
  const context =
    given.context ??
    (given.kubeconfig === undefined && kubernetes?.source.kind === 'kubeconfig'
      ? kubernetes.source.context
      : undefined);
  return {
    mesh,
    trustDomain,
    url,
    listen,
    identity,
    web,
    roots: (given.roots ?? []).map((file) => resolve(file)),
    kubeconfig: kubeconfig === undefined ? undefined : resolve(kubeconfig),
    context,
    consul: given.consul ?? found.consul?.address ?? 'http://127.0.0.1:8500',
    tokenFile: given.tokenFile === undefined ? undefined : resolve(given.tokenFile),
    spireSocket: given.spireSocket ?? found.spireServer ?? '/tmp/spire-server/private/api.sock',
    metrics: given.metrics,
  };
}

/** Whether `federate init` makes a CA of its own, because `files` was chosen without roots. */
export function makesTrialCa({ mesh, roots }: Pick<Choices, 'mesh' | 'roots'>): boolean {
  return mesh === 'files' && roots.length === 0;
}

function refuseContradictions(given: Answers): void {
  const svids = [
    given.workloadApi,
    given.sdsSocket,
    given.profile === 'https_web' ? undefined : given.certificate,
  ];
  if (svids.filter((each) => each !== undefined).length > 1)
    throw refused('an agent has one SVID: give one of --workload-api, --sds-socket and --certificate');
  if ((given.certificate === undefined) !== (given.key === undefined))
    throw refused('--certificate and --key go together');
  if (given.caFile !== undefined && given.profile !== 'https_web')
    throw refused('--ca-file goes with --profile https_web');
}

async function chooseMesh(given: Answers, { found, ask }: Completing): Promise<InitMesh> {
  const [inCluster] = found.kubernetes?.meshes ?? [];
  const usual: InitMesh =
    given.roots !== undefined
      ? 'files'
      : given.consul !== undefined
        ? 'consul'
        : given.spireSocket !== undefined
          ? 'spire'
          : (inCluster ?? (found.consul ? 'consul' : found.spireServer === undefined ? 'files' : 'spire'));
  if (!ask) return usual;
  const answer = await ask({
    text: 'Mesh of this agent',
    choices: INIT_MESHES,
    usual,
  });
  return INIT_MESHES.find((mesh) => mesh === answer) ?? usual;
}

async function chooseTrustDomain(
  mesh: InitMesh,
  given: Answers,
  { folder, ask }: Completing,
): Promise<string | undefined> {
  if (mesh === 'simulated-consul') {
    if (given.trustDomain !== undefined)
      throw refused('the trust domain of a Consul is made from its cluster ID: leave --trust-domain away');
    return undefined;
  }
  if (given.trustDomain !== undefined) return parseTrustDomain(given.trustDomain);
  if (mesh !== 'files' && mesh !== 'simulated-istio') return undefined;
  const usual = usualTrustDomain(folder);
  if (!ask) return usual;
  const check = (text: string) => void parseTrustDomain(text);
  return await ask({ text: 'Trust domain', usual, check });
}

/** Named after the folder, so that two folders on one machine are two trust domains. */
function usualTrustDomain(folder: string): string {
  const name = basename(folder)
    .toLowerCase()
    .replaceAll(/[^a-z0-9.-]+/g, '-')
    .replaceAll(/^[.-]+|[.-]+$/g, '');
  const usual = name.includes('.') ? name : `${name}.example`;
  return isTrustDomain(usual) && name !== '' ? usual : 'mesh.example';
}

async function chooseAddress(
  given: Answers,
  { ask, ports, before }: Completing,
): Promise<{ readonly url: string; readonly listen: string }> {
  const check = (text: string) => void parseEndpointUrl(text);
  const wanted = /:(\d+)$/.exec(given.listen ?? '')?.[1];
  const usual = async () => before.url ?? `https://127.0.0.1:${wanted ?? (await ports.next())}/`;
  const text = 'URL at which peers reach this agent';
  const url = given.url ?? (ask ? await ask({ text, usual: await usual(), check }) : await usual());
  check(url);
  if (given.listen === undefined && before.listen !== undefined && url === before.url)
    return { url, listen: before.listen };
  const { hostname, port: named } = new URL(url);
  const isHere = hostname === '127.0.0.1' || hostname === 'localhost' || hostname === '[::1]';
  const host = hostname === '[::1]' ? hostname : isHere ? '127.0.0.1' : '0.0.0.0';
  return { url, listen: given.listen ?? `${host}:${named === '' ? '443' : named}` };
}

function socketSvid(given: Answers): ChosenIdentity | undefined {
  if (given.workloadApi !== undefined) return { from: 'workload-api', address: given.workloadApi };
  if (given.sdsSocket !== undefined) return { from: 'sds', socket: resolve(given.sdsSocket) };
  return undefined;
}

async function chooseIdentity(
  mesh: InitMesh,
  given: Answers,
  { found, ask }: Completing,
): Promise<ChosenIdentity> {
  const { certificate, key: keyFile } = given;
  if (certificate !== undefined && keyFile !== undefined)
    return { from: 'files', certificate: resolve(certificate), key: resolve(keyFile) };
  const svid = socketSvid(given);
  if (svid) return svid;
  if (mesh === 'simulated-istio' || mesh === 'simulated-consul')
    return { from: 'sds', socket: 'agent-sds.sock' };
  if (makesTrialCa({ mesh, roots: given.roots ?? [] })) return { from: 'trial-ca' };
  const { workloadApi } = found;
  if (!ask) {
    if (workloadApi !== undefined) return { from: 'workload-api', address: workloadApi };
    throw refused(
      `an agent next to ${mesh} shows peers who it is by an SVID or by a Web PKI certificate: give --workload-api ADDRESS, --sds-socket PATH, or --certificate FILE --key FILE, with --profile https_web for a certificate of a host name`,
    );
  }
  const answer = await ask({
    text: 'SVID of this agent: unix:///… of a Workload API, or a PEM file',
    ...defined({ usual: workloadApi }),
  });
  if (/^(?:unix|tcp):/.test(answer)) return { from: 'workload-api', address: answer };
  const key = await ask({ text: 'PEM file with its private key' });
  return { from: 'files', certificate: resolve(answer), key: resolve(key) };
}

async function chooseWeb(given: Answers, ask: Ask | undefined): Promise<NonNullable<Choices['web']>> {
  const { certificate, key, caFile } = given;
  if (certificate !== undefined && key !== undefined)
    return { certificate: resolve(certificate), key: resolve(key), caFile: caFile && resolve(caFile) };
  if (!ask)
    throw refused(
      'with --profile https_web the endpoint shows a certificate for the host of its URL: give --certificate FILE and --key FILE',
    );
  return {
    certificate: resolve(await ask({ text: 'PEM file with the certificate of that host, leaf first' })),
    key: resolve(await ask({ text: 'PEM file with its private key' })),
    caFile: caFile && resolve(caFile),
  };
}

function refused(message: string): InitError {
  return new InitError('init-answers', message);
}
