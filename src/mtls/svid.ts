import { createPrivateKey, type KeyObject, type PrivateKeyInput, X509Certificate } from 'node:crypto';
import { messageOf } from '../errors/index.ts';
import {
  certificatesFromDer,
  certificatesFromPem,
  parseCertificate,
  parseLeafIdentity,
  pemFromCertificates,
  type SpiffeId,
} from '../spiffe/index.ts';
import { MtlsError } from './errors.ts';

/** An X509-SVID of ours: the chain to present, and its key. */
export interface Svid {
  readonly id: SpiffeId;
  /** DER, leaf first, then intermediates. */
  readonly certificateChain: readonly Uint8Array[];
  readonly privateKey: KeyObject;
  readonly notAfter: Date;
}

/** Provides our SVID as it is now; its user does not learn where it comes from. */
export interface SvidSource {
  current(): Svid | undefined;
  /** Calls back after each change until the returned function is called. */
  onChange(listener: () => void): () => void;
}

/**
 * Makes an SVID from PEM texts. Throws `MtlsError` `svid-invalid` when the chain is not an
 * X509-SVID or the key is not the leaf's. The key is in no message.
 */
export function svidFromPem(chainPem: string, keyPem: string): Svid {
  return svidOf(
    () => certificatesFromPem(chainPem),
    () => readKey({ key: keyPem, format: 'pem' }, 'PEM of PKCS#8 or SEC1'),
  );
}

/**
 * Makes an SVID from the form of the Workload API: concatenated certificates in DER, leaf first,
 * and the key as unencrypted PKCS#8 in DER (WLAPI-20). Throws as `svidFromPem` does.
 */
export function svidFromDer(chainDer: Uint8Array, keyDer: Uint8Array): Svid {
  return svidOf(
    () => certificatesFromDer(chainDer),
    () => readKey({ key: Buffer.from(keyDer), format: 'der', type: 'pkcs8' }, 'PKCS#8 in DER, unencrypted'),
  );
}

function svidOf(readChain: () => Uint8Array[], readPrivateKey: () => KeyObject): Svid {
  try {
    const certificateChain = readChain();
    const [leaf] = certificateChain;
    if (!leaf) throw new MtlsError('svid-invalid', 'it contains no certificate');
    const id = parseLeafIdentity(leaf);
    const privateKey = readPrivateKey();
    if (!new X509Certificate(leaf).checkPrivateKey(privateKey)) {
      throw new MtlsError('svid-invalid', `the private key is not the key of ${id}`);
    }
    return { id, certificateChain, privateKey, notAfter: parseCertificate(leaf).notAfter };
  } catch (cause) {
    const why = messageOf(cause);
    throw new MtlsError('svid-invalid', `this is not an X509-SVID with its key: ${why}`, { cause });
  }
}

function readKey(input: PrivateKeyInput, form: string): KeyObject {
  try {
    return createPrivateKey(input);
  } catch {
    // Omits the decoder's own message, because it may quote the key.
    throw new MtlsError('svid-invalid', `the private key is not ${form}`);
  }
}

/** `cert` and `key` of Node's TLS options for an SVID. */
export function tlsIdentity(svid: Svid): { readonly cert: string; readonly key: string } {
  return {
    cert: pemFromCertificates(svid.certificateChain),
    key: svid.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}
