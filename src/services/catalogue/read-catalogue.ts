import { messageOf } from '../../errors/index.ts';
import {
  type JsonObject,
  type JsonValue,
  parseSpiffeId,
  pathOf,
  type SpiffeId,
  type TrustDomain,
  trustDomainOf,
} from '../../spiffe/index.ts';
import { type Caller, callerText, parseCaller, trustDomainOfCaller } from '../access/caller.ts';
import type { EndpointAddress } from '../service/endpoint-address.ts';
import { isClusterName, isDnsLabel, isHostName, isLocalName } from '../service/host-name.ts';
import { checkPorts, parseServiceId, PROTOCOLS, type ServiceId } from '../service/service.ts';
import { CATALOGUE_LIMITS } from './catalogue-limits.ts';
import type {
  Catalogue,
  CatalogueContent,
  CatalogueGateway,
  DirectAddress,
  OfferedPort,
  OfferedService,
  OfferState,
} from './catalogue.ts';
import { checkDistinct, integerAt, listAt, malformed, objectAt, quoted, textAt } from './claims.ts';
import { CatalogueError } from './errors.ts';

/** What a reader knows before it reads a catalogue. */
export interface CatalogueReading {
  /** The peer whose agent signed it. */
  readonly owner: TrustDomain;
  /** Our own trust domain. */
  readonly audience: TrustDomain;
  /**
   * Gives the reason why our proxies may not connect to a host, an IP address or a host name, at the
   * owner's word; nothing where they may. `network` is that of a direct address.
   */
  readonly refuseHost: (host: string, network?: string) => string | undefined;
  /**
   * Whether we share a network with the owner. Its other direct addresses are of no use and are left
   * out. Left out: it is true of every network.
   */
  readonly sharesNetwork?: (network: string) => boolean;
}

const STATES = ['serving', 'draining', 'down'] as const satisfies readonly OfferState[];
const PORT_NUMBERS = [1, 65_535] as const;
/** The last second of the year 9999. */
const MAX_SECONDS = 253_402_300_799;
const MAX_NETWORK_CHARACTERS = 64;
const NETWORK = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

/**
 * Reads the claims of a `federate-exports+jws` statement. A member that we do not know is ignored,
 * because it can add nothing to what we use. Everything else is checked, and one fault refuses the
 * whole catalogue. Throws `CatalogueError`: `catalogue-malformed`, `catalogue-too-large`,
 * `catalogue-other-audience`, `catalogue-foreign-identity`, `catalogue-duplicate`,
 * `catalogue-sni-invalid`, `catalogue-forbidden-address`.
 */
export function readCatalogue(claims: JsonObject, reading: CatalogueReading): Catalogue {
  const { owner, audience } = reading;
  if (claims.get('aud') !== audience)
    throw new CatalogueError('catalogue-other-audience', `the catalogue of ${owner} is not for ${audience}`);
  if (claims.get('trust_domain') !== owner)
    throw foreign(`the catalogue that ${owner} signed is about another trust domain`);
  const issuedAt = instantAt(claims, 'iat');
  const expiresAt = instantAt(claims, 'exp');
  const lifetimeMs = expiresAt.getTime() - issuedAt.getTime();
  if (lifetimeMs <= 0 || lifetimeMs > CATALOGUE_LIMITS.lifetimeMs)
    malformed('exp', `is not after iat by at most ${CATALOGUE_LIMITS.lifetimeMs / 86_400_000} days`);
  return {
    trustDomain: owner,
    audience,
    sequence: integerAt(claims.get('sequence'), 'sequence', [1, Number.MAX_SAFE_INTEGER]),
    issuedAt,
    expiresAt,
    refreshHint: integerAt(claims.get('hint'), 'hint', [0, CATALOGUE_LIMITS.hintSeconds]),
    ...readCatalogueContent(claims, reading),
  };
}

/**
 * Reads the content of a catalogue, as `catalogueContent` writes it. Throws `CatalogueError` as
 * `readCatalogue` does.
 */
export function readCatalogueContent(claims: JsonObject, reading: CatalogueReading): CatalogueContent {
  const gateways = listAt(
    claims.get('gateways'),
    { where: 'gateways', most: CATALOGUE_LIMITS.gateways },
    (value, where) => readGateway(value, where, reading),
  );
  checkDistinct(
    gateways.map(({ id }) => id),
    'the gateway',
  );
  const known = new Set(gateways.map(({ id }) => id));
  const services = listAt(
    claims.get('services'),
    { where: 'services', most: CATALOGUE_LIMITS.services },
    (value, where) => readService(value, where, known, reading),
  );
  checkDistinct(
    services.map(({ id }) => id),
    'the service',
  );
  checkDistinct(
    services.flatMap(({ ports }) => ports.map(({ sni }) => sni)),
    'the SNI',
  );
  return { gateways, services };
}

function readGateway(value: JsonValue, where: string, reading: CatalogueReading): CatalogueGateway {
  const gateway = objectAt(value, where);
  return {
    id: labelAt(gateway.get('id'), `${where}.id`),
    ...addressAt(gateway, where, (host) => reading.refuseHost(host)),
    priority: integerAt(gateway.get('priority'), `${where}.priority`, [0, CATALOGUE_LIMITS.priority]),
  };
}

function readService(
  value: JsonValue,
  where: string,
  gateways: ReadonlySet<string>,
  reading: CatalogueReading,
): OfferedService {
  const service = objectAt(value, where);
  const id = idAt(service.get('id'), `${where}.id`);
  const spiffeIds = listAt(
    service.get('spiffe_ids'),
    { where: `spiffe_ids of ${id}`, most: CATALOGUE_LIMITS.identitiesOfService },
    (each, at) => identityAt(each, at, reading.owner),
  );
  if (spiffeIds.length === 0) malformed(`spiffe_ids of ${id}`, 'is empty');
  checkDistinct(spiffeIds, 'the identity');
  const ports = listAt(
    service.get('ports'),
    { where: `ports of ${id}`, most: CATALOGUE_LIMITS.portsOfService },
    (each, at) => readPort(each, at, gateways, reading),
  );
  checkDistinct(
    ports.map(({ name }) => name),
    `for ${id} the port`,
  );
  checkDistinct(
    ports.map(({ port }) => String(port)),
    `for ${id} the port number`,
  );
  try {
    checkPorts(ports);
  } catch (cause) {
    malformed(`ports of ${id}`, `cannot be used: ${messageOf(cause)}`, cause);
  }
  const mayCall = listAt(
    service.get('may_call'),
    { where: `may_call of ${id}`, most: CATALOGUE_LIMITS.callersOfService },
    (each, at) => callerAt(each, at, reading.audience),
  );
  checkDistinct(mayCall.map(callerText), `for ${id} the caller`);
  return { id, spiffeIds, ports, mayCall, state: oneOf(STATES, service.get('state'), `state of ${id}`) };
}

function readPort(
  value: JsonValue,
  where: string,
  gateways: ReadonlySet<string>,
  reading: CatalogueReading,
): OfferedPort {
  const port = objectAt(value, where);
  const serverFirst = port.get('server_first');
  if (typeof serverFirst !== 'boolean') malformed(`${where}.server_first`, 'is neither true nor false');
  const used = listAt(
    port.get('gateways'),
    { where: `${where}.gateways`, most: CATALOGUE_LIMITS.gateways },
    labelAt,
  );
  if (used.length === 0) malformed(`${where}.gateways`, 'is empty');
  checkDistinct(used, `in ${where} the gateway`);
  const unknown = used.find((id) => !gateways.has(id));
  if (unknown !== undefined)
    malformed(`${where}.gateways`, `names ${quoted(unknown)}, which is not a gateway of the catalogue`);
  const direct = listAt(
    port.get('direct'),
    { where: `${where}.direct`, most: CATALOGUE_LIMITS.directAddressesOfPort },
    (each, at) => readDirect(each, at, reading),
  ).flatMap((each) => each ?? []);
  checkDistinct(
    direct.map(({ network, host, port: number }) => `${host}:${number} in ${network}`),
    `in ${where} the address`,
  );
  return {
    name: textAt(port.get('name'), `${where}.name`),
    port: integerAt(port.get('port'), `${where}.port`, PORT_NUMBERS),
    protocol: oneOf(PROTOCOLS, port.get('protocol'), `${where}.protocol`),
    serverFirst,
    sni: sniAt(port.get('sni'), `${where}.sni`, reading.owner),
    gateways: used,
    direct,
  };
}

function readDirect(value: JsonValue, where: string, reading: CatalogueReading): DirectAddress | undefined {
  const direct = objectAt(value, where);
  const network = textAt(direct.get('network'), `${where}.network`);
  if (network.length > MAX_NETWORK_CHARACTERS || !NETWORK.test(network))
    malformed(`${where}.network`, `is not the ID of a network, but ${quoted(network)}`);
  if (reading.sharesNetwork?.(network) === false) return undefined;
  return { network, ...addressAt(direct, where, (host) => reading.refuseHost(host, network)) };
}

function addressAt(
  object: JsonObject,
  where: string,
  refuse: (host: string) => string | undefined,
): EndpointAddress {
  const host = textAt(object.get('address'), `${where}.address`);
  const port = integerAt(object.get('port'), `${where}.port`, PORT_NUMBERS);
  const reason = refuse(host);
  if (reason !== undefined)
    throw new CatalogueError(
      'catalogue-forbidden-address',
      `${where} of the catalogue is at ${quoted(host)}: ${reason}`,
    );
  return { host, port };
}

/** An SNI under a local name is legal only where the trust domain of the owner has such a name. */
function sniAt(value: JsonValue | undefined, where: string, owner: TrustDomain): string {
  const sni = textAt(value, where);
  const isForeign = isLocalName(sni) && !sni.endsWith(`.${owner}`);
  if (isHostName(sni) && !isClusterName(sni) && !isForeign) return sni;
  const why = isHostName(sni)
    ? 'is a name of a local network or a cluster'
    : 'is not a legal host name in lower case';
  throw new CatalogueError('catalogue-sni-invalid', `the SNI ${quoted(sni)} in ${where} ${why}`);
}

function identityAt(value: JsonValue, where: string, owner: TrustDomain): SpiffeId {
  const text = textAt(value, where);
  const id = readOr(() => parseSpiffeId(text), where);
  if (trustDomainOf(id) !== owner) throw foreign(`${where} is ${quoted(id)}, which is not of ${owner}`);
  if (pathOf(id) === '') malformed(where, 'is the ID of the trust domain itself, which no workload has');
  return id;
}

function callerAt(value: JsonValue, where: string, audience: TrustDomain): Caller {
  const text = textAt(value, where);
  const caller = readOr(() => parseCaller(text), where);
  if (trustDomainOfCaller(caller) !== audience)
    throw foreign(`${where} is ${quoted(text)}, and the catalogue is for callers of ${audience}`);
  return caller;
}

function idAt(value: JsonValue | undefined, where: string): ServiceId {
  const text = textAt(value, where);
  return readOr(() => parseServiceId(text), where);
}

function labelAt(value: JsonValue | undefined, where: string): string {
  const text = textAt(value, where);
  return isDnsLabel(text) ? text : malformed(where, `is not a DNS label in lower case, but ${quoted(text)}`);
}

function oneOf<Text extends string>(
  allowed: readonly Text[],
  value: JsonValue | undefined,
  where: string,
): Text {
  return allowed.find((each) => each === value) ?? malformed(where, `is not one of ${allowed.join(', ')}`);
}

function instantAt(claims: JsonObject, name: 'iat' | 'exp'): Date {
  return new Date(integerAt(claims.get(name), name, [0, MAX_SECONDS]) * 1000);
}

function readOr<Value>(read: () => Value, where: string): Value {
  try {
    return read();
  } catch (cause) {
    return malformed(where, `is not valid: ${messageOf(cause)}`, cause);
  }
}

function foreign(message: string): CatalogueError {
  return new CatalogueError('catalogue-foreign-identity', message);
}
