import { createPrivateKey, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { readRegularText } from '../platform/index.ts';
import { EndpointError } from './errors.ts';

/** A Web PKI certificate chain and its key, PEM. */
export interface WebCertificate {
  readonly cert: string;
  readonly key: string;
  /** When the leaf begins and ends. */
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/** The certificate of an `https_web` endpoint that is shown now. */
export interface ShownCertificate extends Pick<WebCertificate, 'notBefore' | 'notAfter'> {
  readonly file: string;
}

/**
 * Why `found` does not take the place of `shown`: because clients accept this one and would refuse
 * that one.
 */
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
 * Reads chain and key and holds them against each other and against the host of the advertised URL
 * (FED-16). Throws `EndpointError` `certificate-unusable`, `certificate-other-host`; the key is in
 * no message.
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
    leaf = new X509Certificate(cert);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new EndpointError(
      'certificate-unusable',
      `reading the certificate ${certificateFile} and its key failed: ${why}`,
      { cause },
    );
  }
  if (!keyFits(leaf, key)) {
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

function keyFits(leaf: X509Certificate, key: string): boolean {
  try {
    return leaf.checkPrivateKey(createPrivateKey(key));
  } catch {
    // The decoder's own message may quote what it read; the caller's sentence says enough.
    return false;
  }
}
