import { SimulatedMeshError } from '../errors.ts';

/** What one side gives the other out of band so that it can dial; the product's member names. */
export interface PeeringToken {
  readonly CA: readonly string[];
  readonly ManualServerAddresses?: readonly string[];
  readonly ServerAddresses: readonly string[];
  readonly ServerName: string;
  /** The accepting side's ID of the peering. */
  readonly PeerID: string;
  readonly EstablishmentSecret: string;
  readonly Remote?: { readonly Partition: string; readonly Datacenter: string };
}

const MAX_TOKEN_CHARACTERS = 65_536;

/** The token as it is handed over. */
export function serializePeeringToken(token: PeeringToken): string {
  return Buffer.from(JSON.stringify(token)).toString('base64');
}

/** Throws `SimulatedMeshError` `peering-token` for anything but a token with an address to dial. */
export function parsePeeringToken(text: string): PeeringToken {
  if (text.length > MAX_TOKEN_CHARACTERS) throw refused('it is too long');
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(text, 'base64').toString('utf8'));
  } catch (cause) {
    throw refused('it is not base64 of JSON', cause);
  }
  const token = Object(value) as Partial<Record<keyof PeeringToken, unknown>>;
  const manual = stringsOf(token.ManualServerAddresses);
  const addresses = manual.length > 0 ? manual : stringsOf(token.ServerAddresses);
  const { ServerName, PeerID, EstablishmentSecret, Remote } = token;
  if (addresses.length === 0) throw refused('it names no server address');
  if (typeof ServerName !== 'string' || ServerName === '') throw refused('it names no server');
  if (typeof PeerID !== 'string' || PeerID === '') throw refused('the peer ID is missing');
  if (typeof EstablishmentSecret !== 'string' || EstablishmentSecret === '')
    throw refused('the secret is missing');
  const { Partition, Datacenter } = Object(Remote) as { Partition?: unknown; Datacenter?: unknown };
  return {
    CA: stringsOf(token.CA),
    ServerAddresses: addresses,
    ServerName,
    PeerID,
    EstablishmentSecret,
    Remote: {
      Partition: typeof Partition === 'string' ? Partition : '',
      Datacenter: typeof Datacenter === 'string' ? Datacenter : '',
    },
  };
}

function stringsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((each) => typeof each === 'string') : [];
}

function refused(what: string, cause?: unknown): SimulatedMeshError {
  return new SimulatedMeshError(
    'peering-token',
    `the peering token cannot be used: ${what}`,
    cause === undefined ? {} : { cause },
  );
}
