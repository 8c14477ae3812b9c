import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { messageOf } from '../errors/index.ts';
import { readRegularText } from '../platform/index.ts';
import { certificatesFromPem } from '../spiffe/index.ts';
import { EndpointError } from './errors.ts';

/** A Web PKI certificate chain and its key, PEM. */
export interface WebCertificate {
  readonly cert: string;
  readonly key: string;
  /** The validity of the leaf. */
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/** The certificate of an `https_web` endpoint that is presented now. */
export interface ShownCertificate extends Pick<WebCertificate, 'notBefore' | 'notAfter'> {
  readonly file: string;
}

/** Why `found` must not replace `shown`: clients accept this one and would refuse that one. */
export function whyWorse(
  found: Pick<WebCertificate, 'notBefore' | 'notAfter'>,
  shown: Pick<WebCertificate, 'notBefore' | 'notAfter'>,
  now: Date,
): string | undefined {
  if (whyNotValid(shown, now) !== undefined) return undefined;
  return whyNotValid(found, now);
}

function whyNotValid(
  { notBefore, notAfter }: Pick<WebCertificate, 'notBefore' | 'notAfter'>,
  now: Date,
): string | undefined {
  if (notAfter <= now) return `ended at ${notAfter.toISOString()}`;
  if (notBefore > now)
    return `begins at ${notBefore.toISOString()}, and now is ${now.toISOString()}: do the clocks agree?`;
  return undefined;
}

/**
 * Reads chain and key, and checks them against each other and against the host of the advertised
 * URL (FED-16). Throws `EndpointError` `certificate-unusable`, `certificate-other-host`; the key is
 * in no message.
 */
export async function readWebCertificate(
  files: { readonly certificateFile: string; readonly keyFile: string },
  url: URL,
): Promise<WebCertificate> {
  const { certificateFile, keyFile } = files;
  let cert: string;
  let key: string;
  let leaf: X509Certificate;
  try {
    [cert, key] = await Promise.all([readRegularText(certificateFile), readRegularText(keyFile)]);
    leaf = leafOf(cert);
  } catch (cause) {
    const why = messageOf(cause);
    throw new EndpointError(
      'certificate-unusable',
      `reading the certificate ${certificateFile} and its key failed: ${why}`,
      { cause },
    );
  }
  const privateKey = privateKeyOf(key);
  if (!privateKey) {
    throw new EndpointError(
      'certificate-unusable',
      `the file ${keyFile} holds no private key in PEM that can be read without a passphrase`,
    );
  }
  if (!leaf.checkPrivateKey(privateKey)) {
    throw new EndpointError(
      'certificate-unusable',
      `the key in ${keyFile} is not the key of the certificate in ${certificateFile}`,
    );
  }
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const named = isIP(host) ? leaf.checkIP(host) : leaf.checkHost(host);
  if (named === undefined) {
    throw new EndpointError(
      'certificate-other-host',
      `the certificate in ${certificateFile} does not name ${host}, the host of ${url.href}`,
    );
  }
  return { cert, key, notBefore: leaf.validFromDate, notAfter: leaf.validToDate };
}

/**
 * The first certificate of a PEM text; the file may also contain a key. Names the defect of a bad
 * text (DER, UTF-16, joined blocks), because OpenSSL only reports that it found no start.
 */
function leafOf(pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (error) {
    certificatesFromPem(pem);
    throw error;
  }
}

/** The private key of a PEM text; undefined where it cannot be read. */
function privateKeyOf(pem: string): KeyObject | undefined {
  try {
    return createPrivateKey(pem);
  } catch {
    // The decoder's own message may quote the key. The caller's sentence is enough.
    return undefined;
  }
}
