import { MeshAdapterError } from '../contract/errors.ts';

/**
 * What a peering token says: where to dial, whom to find there, and the secret for the first time.
 */
export interface PeeringToken {
  /** PEM; the only roots the connection is verified against. */
  readonly caPem: string;
  /** `host:port`, at least one. */
  readonly addresses: readonly string[];
  readonly serverName: string;
  readonly peerId: string;
  readonly establishmentSecret: string;
}

const MAX_CHARACTERS = 262_144;
const MAX_ADDRESSES = 32;
// No scheme of gRPC's own (`unix:`), no path: only where TCP goes.
const ADDRESS = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):[0-9]{1,5}$/;

/**
 * Reads a peering token (docs/meshes/consul.md). Throws `MeshAdapterError` `peering-token-malformed`,
 * also for one without a CA: then the listener has no TLS, and roots are not sent to whom we do not
 * know.
 */
export function parsePeeringToken(text: string): PeeringToken {
  if (text.length > MAX_CHARACTERS) throw malformed('it is too long');
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(text, 'base64').toString('utf8'));
  } catch {
    // The cause would quote the token, which is a secret.
    throw malformed('it is no base64 of JSON');
  }
  const token = Object(value) as Readonly<Record<string, unknown>>;
  const { CA, ManualServerAddresses, ServerAddresses, ServerName, PeerID, EstablishmentSecret } = token;
  const manual = texts(ManualServerAddresses);
  const addresses = (manual.length > 0 ? manual : texts(ServerAddresses)).slice(0, MAX_ADDRESSES);
  const caPem = texts(CA)
    .map((pem) => `${pem.trim()}\n`)
    .join('');
  if (caPem === '') throw malformed('it names no CA, so the servers would be dialed without TLS');
  if (addresses.length === 0) throw malformed('it names no server address');
  if (!addresses.every(isDialAddress)) throw malformed('a server address is not host:port');
  return {
    caPem,
    addresses,
    serverName: requiredText(ServerName, 'ServerName'),
    peerId: requiredText(PeerID, 'PeerID'),
    establishmentSecret: requiredText(EstablishmentSecret, 'EstablishmentSecret'),
  };
}

/** Whether `address` is `host:port` and nothing else. */
export function isDialAddress(address: string): boolean {
  return address.length <= 300 && ADDRESS.test(address);
}

function requiredText(value: unknown, name: string): string {
  if (typeof value === 'string' && value !== '') return value;
  throw malformed(`it has no ${name}`);
}

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((each): each is string => typeof each === 'string') : [];
}

function malformed(what: string): MeshAdapterError {
  return new MeshAdapterError('peering-token-malformed', `the peering token cannot be used: ${what}`);
}
