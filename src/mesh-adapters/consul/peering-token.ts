import { z } from 'zod';
import { readAnswer, textsIn } from '../contract/answer.ts';
import { MeshAdapterError } from '../contract/errors.ts';

/**
 * The content of a peering token: addresses to dial, the expected server, and the secret for the
 * first stream.
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
// No scheme of gRPC's own (`unix:`) and no path: only TCP addresses.
const ADDRESS = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):[0-9]{1,5}$/;

const required = z.string().min(1, 'it is empty');
const TOKEN = z.object({
  CA: textsIn,
  ManualServerAddresses: textsIn,
  ServerAddresses: textsIn,
  ServerName: required,
  PeerID: required,
  EstablishmentSecret: required,
});

/**
 * Reads a peering token. Throws `MeshAdapterError` `peering-token-malformed`, also for a token
 * without a CA. Because the listener then has no TLS, roots would go to an unknown server. See
 * docs/meshes/consul.md.
 */
export function parsePeeringToken(text: string): PeeringToken {
  if (text.length > MAX_CHARACTERS) throw malformed('it is too long');
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(text, 'base64').toString('utf8'));
  } catch {
    // Leave out the cause: it would quote the token, which is a secret.
    throw malformed('it is not base64 of JSON');
  }
  const token = readAnswer(TOKEN, value, 'the peering token', 'peering-token-malformed');
  const manual = token.ManualServerAddresses;
  const addresses = (manual.length > 0 ? manual : token.ServerAddresses).slice(0, MAX_ADDRESSES);
  const caPem = token.CA.map((pem) => `${pem.trim()}\n`).join('');
  if (caPem === '') throw malformed('it names no CA, so the servers would be dialed without TLS');
  if (addresses.length === 0) throw malformed('it names no server address');
  if (!addresses.every(isDialAddress)) throw malformed('a server address is not host:port');
  return {
    caPem,
    addresses,
    serverName: token.ServerName,
    peerId: token.PeerID,
    establishmentSecret: token.EstablishmentSecret,
  };
}

/** Whether `address` is `host:port` and nothing else. */
export function isDialAddress(address: string): boolean {
  return address.length <= 300 && ADDRESS.test(address);
}

function malformed(what: string): MeshAdapterError {
  return new MeshAdapterError('peering-token-malformed', `the peering token cannot be used: ${what}`);
}
