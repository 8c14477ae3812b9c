import { Client, credentials } from '@grpc/grpc-js';
import { isAbsolute } from 'node:path';
import type { PeerCertificate } from 'node:tls';
import { readRegularFile } from '../../platform/index.ts';
import {
  CodedError,
  parseLeafIdentity,
  type SpiffeId,
  spiffeIdOf,
  type TrustDomain,
} from '../../spiffe/index.ts';
import { MeshAdapterError } from '../contract/errors.ts';

/** A page of bundles, also where others gave SPIRE larger ones than we do. */
const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;

/** How the server's API is reached. */
export type SpireAccess =
  | {
      readonly kind: 'socket';
      /**
       * The server's own Unix socket, absolute. Every process that may open it is an administrator.
       */
      readonly path: string;
    }
  | {
      readonly kind: 'mtls';
      /** `host:port`. */
      readonly address: string;
      /** PEM files: the SVID of an admin entry, leaf first, and its key. */
      readonly certificateFile: string;
      readonly keyFile: string;
      /** PEM file with the roots of the server's trust domain. */
      readonly trustBundleFile: string;
      /** The server shows `spiffe://<trust domain>/spire/server`. */
      readonly trustDomain: TrustDomain;
    };

const CHANNEL = {
  'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
  'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
  // Trying again is ours, with our pauses; and a control plane is not behind a proxy.
  'grpc.enable_retries': 0,
  'grpc.enable_http_proxy': 0,
} as const;

/**
 * A connection for a few calls. Credentials are read again for each, because they are renewed.
 * Throws `MeshAdapterError` `credentials-unusable`.
 */
export async function openSpire(access: SpireAccess): Promise<Client> {
  if (access.kind === 'socket') {
    if (!isAbsolute(access.path)) throw new TypeError('the path of a socket is absolute');
    return new Client(`unix://${access.path}`, credentials.createInsecure(), CHANNEL);
  }
  const { address, certificateFile, keyFile, trustBundleFile, trustDomain } = access;
  const [chain, key, roots] = await Promise.all(
    [certificateFile, keyFile, trustBundleFile].map((path) => readCredential(path)),
  );
  const server = spiffeIdOf(trustDomain, '/spire/server');
  try {
    const tls = credentials.createSsl(roots ?? null, key ?? null, chain ?? null, {
      checkServerIdentity: (_host, certificate) => refusalOf(certificate, server),
    });
    // The server's SVID identifies it, not its address.
    return new Client(address, tls, {
      ...CHANNEL,
      'grpc.ssl_target_name_override': trustDomain,
      'grpc.default_authority': trustDomain,
    });
  } catch (cause) {
    const message = `${certificateFile}, ${keyFile} and ${trustBundleFile} cannot be used together`;
    throw new MeshAdapterError('credentials-unusable', message, { cause });
  }
}

async function readCredential(path: string): Promise<Buffer> {
  try {
    return await readRegularFile(path);
  } catch (cause) {
    const message = `${JSON.stringify(path)} could not be read`;
    throw new MeshAdapterError('credentials-unusable', message, { cause });
  }
}

/** A chain to the roots of the trust domain is not enough: every workload has one. */
function refusalOf(certificate: PeerCertificate, server: SpiffeId): Error | undefined {
  try {
    const id = parseLeafIdentity(certificate.raw);
    return id === server ? undefined : new Error(`the server is ${id} and not ${server}`);
  } catch (error) {
    if (error instanceof CodedError) return error;
    throw error;
  }
}
