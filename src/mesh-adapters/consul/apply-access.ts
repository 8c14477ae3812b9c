import { compilers } from '../../services/index.ts';
import { MeshAdapterError } from '../contract/errors.ts';
import { judgeCompilation } from '../contract/judge-compilation.ts';
import type { ServiceFault } from '../contract/judge-imports.ts';
import type { ServiceReport, WantedAccess } from '../contract/mesh-services.ts';
import { retryConflicts } from '../contract/retry-conflicts.ts';
import { accessSubject, serviceReport } from '../contract/service-report.ts';
import { deleteConfigEntry, listConfigEntries, putConfigEntry, readConfigEntry } from './config-entries.ts';
import type { ConfigWriter } from './config-writer.ts';
import { type IntentionDefault, readIntentionDefault } from './intention-default.ts';
import { HTTP_PROTOCOLS } from './judge-identity.ts';
import { listPeerings } from './peerings.ts';
import { defaultOf, readServiceDefaults } from './service-defaults.ts';
import { serviceIdOf } from './service-id.ts';
import {
  destinationOf,
  hasOurs,
  isSameEntry,
  type Source,
  sourcesOf,
  withSources,
} from './service-intentions.ts';

/** What all policies are judged by. */
interface Mesh {
  readonly open: IntentionDefault;
  readonly protocols: ReadonlyMap<string, string>;
  readonly peerNames: Readonly<Record<string, string>>;
}

/** What of a policy stands in Consul. Without a destination nothing may. */
interface Held {
  readonly destination?: string;
  readonly state: 'written' | 'accepted' | 'refused';
  readonly fault?: ServiceFault;
}

/** Nothing of a policy stands in Consul, because another filter decides by it. */
const ELSEWHERE: Held = {
  state: 'written',
  fault: {
    code: 'access-external',
    message:
      'no intention is written: the rules hold where ext_authz asks OPA ("federate access compile --for opa")',
  },
};

/**
 * Makes the service-intentions hold exactly what these policies allow to callers of our peers. The
 * sources of others stay. What intentions cannot express is left out or refused, with the element and
 * a way out. Throws `MeshAdapterError`.
 */
export async function applyAccess(
  wanted: readonly WantedAccess[],
  writer: ConfigWriter,
  signal: AbortSignal,
): Promise<readonly ServiceReport[]> {
  const { client, peerNamePrefix, access, clock } = writer;
  const [peerings, entries, open, { protocols }] = await Promise.all([
    listPeerings(client, peerNamePrefix, signal),
    listConfigEntries(client, 'service-intentions', signal),
    readIntentionDefault(client, access, signal),
    readServiceDefaults(client, signal),
  ]);
  const peerNames = Object.fromEntries(
    peerings.flatMap(({ name, ownedFor }) => (ownedFor ? [[ownedFor, name]] : [])),
  );
  const mesh: Mesh = { open, protocols, peerNames };
  const reports: ServiceReport[] = [];
  const held = new Set<string>();
  for (const each of wanted) {
    const { destination, state, fault } =
      access === 'external' ? ELSEWHERE : await hold(each, mesh, writer, signal);
    if (destination !== undefined) held.add(destination);
    reports.push(serviceReport(accessSubject(each), state, clock.now(), fault));
  }
  const named = new Set(reports.map(({ service }) => service));
  for (const { name, fields } of entries) {
    if (!hasOurs(fields) || held.has(name)) continue;
    await write(name, [], writer, signal);
    const service = serviceIdOf(name);
    if (service !== undefined && !named.has(service))
      reports.push(serviceReport({ subject: 'access', service }, 'removed', clock.now()));
  }
  return reports;
}

async function hold(
  { policy, placement }: WantedAccess,
  { open, protocols, peerNames }: Mesh,
  writer: ConfigWriter,
  signal: AbortSignal,
): Promise<Held> {
  if (open.fault) return { state: 'refused', fault: open.fault };
  const compilation = compilers.consul(policy, { ...placement, peerNames });
  const { fault, note = open.note } = judgeCompilation(compilation);
  const [object] = compilation.objects;
  if (fault || !object) return { state: 'refused', ...(fault && { fault }) };
  const destination = destinationOf(object);
  const sources = sourcesOf(object);
  const protocol = defaultOf(protocols, destination) ?? 'tcp';
  if (HTTP_PROTOCOLS.has(protocol) && sources.length > 0)
    return {
      state: 'refused',
      fault: {
        code: 'intention-wants-mesh-gateway',
        message: `${destination} has the protocol ${protocol}, and for that Consul's intentions know callers of a peer only behind Consul's own mesh gateway: set its protocol to tcp in service-defaults, or let the federation gateway (mesh.federation_gateway) or OPA decide`,
      },
    };
  const refusal = await write(destination, sources, writer, signal);
  if (refusal) {
    // What stood there before may allow more than the policy does now.
    await write(destination, [], writer, signal);
    return { destination, state: 'refused', fault: refusal };
  }
  return { destination, state: 'accepted', ...(note && { fault: note }) };
}

/**
 * Writes our sources of one destination. Returns why they are not there: sources of others stand in
 * the way, or Consul refuses them. Throws `MeshAdapterError` for everything else.
 */
async function write(
  destination: string,
  sources: readonly Source[],
  { client, clock, random }: ConfigWriter,
  signal: AbortSignal,
): Promise<ServiceFault | undefined> {
  try {
    return await retryConflicts(
      async () => {
        const before = await readConfigEntry(client, 'service-intentions', destination, signal);
        const next = withSources(before?.fields, destination, sources);
        if ('refusal' in next) return next.refusal;
        if (before && next.entry === undefined) await deleteConfigEntry(client, before, signal);
        else if (next.entry && !(before && isSameEntry(before.fields, next.entry)))
          await putConfigEntry(client, before, next.entry, signal);
        return undefined;
      },
      { clock, random, signal },
    );
  } catch (error) {
    if (!(error instanceof MeshAdapterError && error.code === 'mesh-refused')) throw error;
    return { code: error.code, message: error.message };
  }
}
