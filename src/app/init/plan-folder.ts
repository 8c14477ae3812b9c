import { commentedConfig, type ConfigSection } from '../../config/index.ts';
import { defined } from '../../objects/index.ts';
import type { Random } from '../../platform/index.ts';
import { type Choices, type ChosenIdentity, makesTrialCa } from './complete-answers.ts';
import type { PortChooser } from './choose-port.ts';

/** Names of the files that `federate init` writes into the folder. */
export const FILE_NAMES = {
  config: 'agent.yaml',
  mesh: 'mesh.yaml',
  root: 'root.pem',
  rootKey: 'root.key',
  svid: 'svid.pem',
  svidKey: 'svid.key',
  socket: 'admin.sock',
} as const;

/** The texts of the config files of one folder. */
export interface FolderPlan {
  readonly config: string;
  /** The config of a simulated control plane next to the agent. */
  readonly mesh: { readonly kind: 'simulated-istio' | 'simulated-consul'; readonly text: string } | undefined;
}

const EVERY_FIELD = 'Every field is described in docs/config.md. Relative paths start at this folder.';

/** The config files for these choices. Pure but for the ports and the ID of a simulated Consul. */
export async function planFolder(
  choices: Choices,
  { ports, random }: { readonly ports: PortChooser; readonly random: Random },
): Promise<FolderPlan> {
  const mesh = await simulatedMesh(choices, ports, random);
  const isTrial = makesTrialCa(choices);
  const config = {
    ...defined({ trust_domain: choices.trustDomain }),
    store: 'federate.db',
    admin_socket: FILE_NAMES.socket,
    ...defined({ metrics: choices.metrics }),
    endpoint: endpointOf(choices),
    ...defined({ identity: choices.web && choices.identity && svidOf(choices.identity) }),
    mesh: meshOf(choices, mesh?.consulAddress),
    ...(isTrial ? { rotation: { leaf_lifetime: '90d' } } : {}),
  };
  const heading = `The config of a Federate agent, written by "federate init".\n${EVERY_FIELD}\nAfter a change: federate check-config ${FILE_NAMES.config}`;
  return {
    config: commentedConfig('agent', config, heading, {
      'mesh.own_pem_files': isTrial
        ? 'The roots of this mesh. This one is for a trial: federate init made it, and its key is root.key. Name the roots of your mesh instead, and the SVID that your mesh gives this agent.'
        : 'PEM files with the roots of this mesh. They are read again when they change.',
    }),
    mesh: mesh?.config,
  };
}

function endpointOf({ web, url, listen, identity }: Choices): ConfigSection {
  if (web)
    return {
      profile: 'https_web',
      listen,
      url,
      certificate_file: web.certificate,
      key_file: web.key,
      ...defined({ ca_file: web.caFile }),
    };
  if (!identity) throw new TypeError('unreachable: an https_spiffe endpoint has an SVID');
  return { profile: 'https_spiffe', listen, url, svid: svidOf(identity) };
}

function svidOf(identity: ChosenIdentity): ConfigSection {
  switch (identity.from) {
    case 'workload-api':
      return { workload_api: identity.address };
    case 'sds':
      return { sds_socket: identity.socket };
    case 'files':
      return { certificate_file: identity.certificate, key_file: identity.key };
    case 'trial-ca':
      return { certificate_file: FILE_NAMES.svid, key_file: FILE_NAMES.svidKey };
    default:
      return identity satisfies never;
  }
}

function meshOf(choices: Choices, simulatedConsul: string | undefined): ConfigSection {
  const { kubeconfig, context, tokenFile } = choices;
  const kubernetes = defined({ kubeconfig, context });
  switch (choices.mesh) {
    case 'files':
      return {
        kind: 'files',
        own_pem_files: choices.roots.length > 0 ? choices.roots : [FILE_NAMES.root],
        foreign_folder: 'foreign',
      };
    case 'istio':
    case 'linkerd':
    case 'kuma':
      return { kind: choices.mesh, ...kubernetes };
    case 'consul':
      return { kind: 'consul', address: choices.consul, ...defined({ token_file: tokenFile }) };
    case 'spire':
      return { kind: 'spire', socket: choices.spireSocket };
    case 'simulated-istio':
      return { kind: 'istio', kubeconfig: 'kubeconfig' };
    case 'simulated-consul':
      return { kind: 'consul', address: simulatedConsul ?? choices.consul, token_file: 'consul-token' };
    default:
      return choices.mesh satisfies never;
  }
}

interface SimulatedMesh {
  readonly config: NonNullable<FolderPlan['mesh']>;
  readonly consulAddress?: string;
}

async function simulatedMesh(
  { mesh, trustDomain, identity }: Choices,
  ports: PortChooser,
  random: Random,
): Promise<SimulatedMesh | undefined> {
  if (mesh !== 'simulated-istio' && mesh !== 'simulated-consul') return undefined;
  const sdsSocket = identity?.from === 'sds' ? identity.socket : 'agent-sds.sock';
  const heading = `The config of a simulated control plane, for trying, written by "federate init".\n${EVERY_FIELD}`;
  const common = { folder: 'mesh', control_socket: 'mesh.sock' };
  const here = async () => `127.0.0.1:${await ports.next()}`;
  if (mesh === 'simulated-istio') {
    const value = {
      ...common,
      ...defined({ trust_domain: trustDomain }),
      kubernetes_listen: await here(),
      kubeconfig: 'kubeconfig',
      workloads: [
        { name: 'federate-agent', namespace: 'federate', service_account: 'agent', sds_socket: sdsSocket },
      ],
    };
    return { config: { kind: mesh, text: commentedConfig(mesh, value, heading) } };
  }
  const http = await here();
  const value = {
    ...common,
    cluster_id: uuidFrom(random.bytes(16)),
    http_listen: http,
    grpc_listen: await here(),
    token_file: 'consul-token',
    workloads: [{ name: 'federate-agent', service: 'federate', sds_socket: sdsSocket }],
  };
  return {
    config: { kind: mesh, text: commentedConfig(mesh, value, heading) },
    consulAddress: `http://${http}`,
  };
}

/** A UUID of version 4 (RFC 9562 §5.4) from 16 random bytes. */
function uuidFrom(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes).toString('hex');
  const variant = ((Number.parseInt(hex[16] ?? '0', 16) & 0x3) | 0x8).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20)}`;
}
