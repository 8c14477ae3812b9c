import { MeshAdapterError } from '../contract/errors.ts';
import { type Fields, fieldsOf, listOf, textOf } from '../contract/fields.ts';
import { type Finding, inOrder, wrong } from '../contract/finding.ts';
import type { OwnTrust } from '../contract/mesh-adapter.ts';
import type { ConsulClient } from './consul-client.ts';
import { listPeerings, type Peering } from './peerings.ts';
import { fetchOwnTrust } from './read-own-trust.ts';
import { readServiceDefaults } from './service-defaults.ts';
import { type ConsulSettings, readSettings } from './settings.ts';

/** The consumer of an exported service, from a config entry of kind `exported-services`. */
export interface ExportedService {
  /** `*` for all. */
  readonly name: string;
  readonly peers: readonly string[];
}

/** One source of a config entry of kind `service-intentions`. */
export interface IntentionSource {
  /** `*` for all. */
  readonly name: string;
  /** Undefined for a service of the cluster itself. */
  readonly peer?: string;
  /** `permissions`: it depends on the request. */
  readonly action: 'allow' | 'deny' | 'permissions';
}

/** The intentions of one destination; `*` for all. */
export interface ServiceIntentions {
  readonly destination: string;
  readonly sources: readonly IntentionSource[];
}

/** A right that the token needs: the ACL rule that grants it, and its purpose. */
export interface ConsulRight {
  readonly rule: string;
  readonly purpose: 'peer' | 'read' | 'leaf';
  readonly allowed: boolean;
}

/**
 * What the agent read of a cluster. A part that could not be read is undefined here and has a
 * finding in `findings`.
 */
export interface ConsulFacts {
  readonly settings: ConsulSettings | undefined;
  readonly own: OwnTrust | undefined;
  readonly peerings: readonly Peering[] | undefined;
  readonly exports: readonly ExportedService[] | undefined;
  readonly intentions: readonly ServiceIntentions[] | undefined;
  /** Protocol by service, and the default of all under `*`. */
  readonly protocols: ReadonlyMap<string, string> | undefined;
  /** The rights of the token. Undefined where ACLs are off or the cluster does not report them. */
  readonly rights: readonly ConsulRight[] | undefined;
  readonly findings: readonly Finding[];
}

/**
 * Reads everything that an examination needs and writes nothing. A part that cannot be read becomes
 * a finding, not an error.
 */
export async function readConsulFacts(
  client: ConsulClient,
  options: {
    readonly peerNamePrefix: string;
    /** Services with leaves that a federation gateway of this agent needs. */
    readonly leafServices: readonly string[];
  },
  signal: AbortSignal,
): Promise<ConsulFacts> {
  const { peerNamePrefix, leafServices } = options;
  const findings: Finding[] = [];
  const attempt = async <Value>(what: string, right: string, read: () => Promise<Value>) => {
    try {
      return await read();
    } catch (error) {
      if (!(error instanceof MeshAdapterError)) throw error;
      findings.push(unreadable(what, right, error));
      return undefined;
    }
  };
  const list = async (path: string) => {
    const { value } = await client.send('GET', path, { signal });
    if (value === null || value === undefined) return [];
    if (Array.isArray(value)) return value.map(fieldsOf);
    throw new MeshAdapterError('mesh-answer-malformed', `${path} is not a list`);
  };
  const own = await attempt('the own roots', 'no right', () => fetchOwnTrust(client, signal));
  // Report a cluster that does not answer once, not once for each request.
  const [first] = findings;
  if (first?.code === 'mesh-unreachable' || first?.code === 'credentials-unusable') {
    return { ...NOTHING, findings };
  }
  const [settings, peerings, exports, intentions, protocols] = await Promise.all([
    attempt('the settings of the Consul agent', 'agent_prefix "" { policy = "read" }', () =>
      readSettings(client, signal),
    ),
    attempt('the peerings', 'peering = "read"', () => listPeerings(client, peerNamePrefix, signal)),
    attempt('the exported services', 'mesh = "read"', async () =>
      (await list('/v1/config/exported-services')).flatMap(exportsOf),
    ),
    attempt('the intentions', 'service_prefix "" { intentions = "read" }', async () =>
      (await list('/v1/config/service-intentions')).map(intentionsOf),
    ),
    attempt(
      'the protocols of services',
      'service_prefix "" { policy = "read" }',
      async () => (await readServiceDefaults(client, signal)).protocols,
    ),
  ]);
  if (findings.some(({ code }) => code === TOKEN_UNKNOWN.code))
    return { ...NOTHING, own, findings: [TOKEN_UNKNOWN] };
  const rights = settings?.aclsEnabled === false ? undefined : await readRights(client, leafServices, signal);
  return { settings, own, peerings, exports, intentions, protocols, rights, findings: inOrder(findings) };
}

type AskedRight = Omit<ConsulRight, 'allowed'> & { readonly asked: object };

const RIGHTS: readonly AskedRight[] = [
  { rule: 'peering = "write"', purpose: 'peer', asked: { Resource: 'peering', Access: 'write' } },
  { rule: 'mesh = "read"', purpose: 'read', asked: { Resource: 'mesh', Access: 'read' } },
  {
    rule: 'service_prefix "" { intentions = "read" }',
    purpose: 'read',
    asked: { Resource: 'intention', Segment: 'any', Access: 'read' },
  },
];
/** Consul answers at most 64 at once. */
const RIGHTS_AT_ONCE = 64;

function leafRight(service: string): AskedRight {
  const rule = `service "${service}" { policy = "write" }`;
  return { rule, purpose: 'leaf', asked: { Resource: 'service', Segment: service, Access: 'write' } };
}

/**
 * Lists silently leave out what a token cannot read, so this asks for the token's rights. The
 * request is a POST but changes nothing.
 */
async function readRights(
  client: ConsulClient,
  leafServices: readonly string[],
  signal: AbortSignal,
): Promise<readonly ConsulRight[] | undefined> {
  const all = [...RIGHTS, ...leafServices.map(leafRight)];
  const rights: ConsulRight[] = [];
  try {
    for (let from = 0; from < all.length; from += RIGHTS_AT_ONCE) {
      const some = all.slice(from, from + RIGHTS_AT_ONCE);
      const body = some.map(({ asked }) => asked);
      const { value } = await client.send('POST', '/v1/internal/acl/authorize', { body, signal });
      const answers = listOf(value);
      if (answers.length !== some.length) return undefined;
      for (const [index, { rule, purpose }] of some.entries())
        rights.push({ rule, purpose, allowed: answers[index]?.['Allow'] === true });
    }
    return rights;
  } catch (error) {
    // An internal path that a cluster does not have, or ACLs that are off.
    if (error instanceof MeshAdapterError) return undefined;
    throw error;
  }
}

const NOTHING: Omit<ConsulFacts, 'findings'> = {
  settings: undefined,
  own: undefined,
  peerings: undefined,
  exports: undefined,
  intentions: undefined,
  protocols: undefined,
  rights: undefined,
};

/** Reported once, although the cluster answers every request with it. */
const TOKEN_UNKNOWN = wrong(
  'token-unknown',
  'ACL token',
  'the cluster does not accept the token: it was deleted, has expired, or belongs to another cluster',
  'put a valid token into the file named in token_file; the agent reads it for every request, so no restart is needed',
);

function unreadable(what: string, right: string, { code, message }: MeshAdapterError): Finding {
  if (code === 'mesh-forbidden' && message.includes('ACL not found')) return TOKEN_UNKNOWN;
  const text = `${what} could not be read: ${message}`;
  switch (code) {
    case 'mesh-forbidden':
      return wrong(code, 'ACL token', text, `give the token the right to read it: ${right}`);
    case 'mesh-unauthenticated':
      return wrong(code, 'ACL token', text, 'set token_file to a file with a valid ACL token');
    case 'credentials-unusable':
      return wrong(code, 'ACL token', text, 'check the path of token_file and its permissions');
    case 'mesh-unreachable':
      return wrong(
        code,
        'Consul',
        text,
        'check the address and that the Consul agent runs; where its API is HTTPS under a private CA, name that by ca_file (--ca-file)',
      );
    default:
      return wrong(
        code,
        'Consul',
        text,
        'see the log of the Consul agent; the service mesh must be on (connect { enabled = true })',
      );
  }
}

function exportsOf(entry: Fields): ExportedService[] {
  return listOf(entry['Services']).map((service) => ({
    name: textOf(service['Name']),
    peers: listOf(service['Consumers']).flatMap(({ Peer }) =>
      typeof Peer === 'string' && Peer !== '' ? [Peer] : [],
    ),
  }));
}

function intentionsOf(entry: Fields): ServiceIntentions {
  return {
    destination: textOf(entry['Name']),
    sources: listOf(entry['Sources']).map(({ Name, Peer, Action, Permissions }) => ({
      name: textOf(Name),
      ...(typeof Peer === 'string' && Peer !== '' && { peer: Peer }),
      action:
        Array.isArray(Permissions) && Permissions.length > 0
          ? ('permissions' as const)
          : Action === 'allow'
            ? ('allow' as const)
            : ('deny' as const),
    })),
  };
}
