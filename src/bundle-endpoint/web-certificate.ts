import { createPrivateKey, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { readRegularText } from '../platform/index.ts';
import { EndpointError } from './errors.ts';

/** A Web PKI certificate chain and its key, PEM. */
export interface WebCertificate {
  readonly cert: string;
  readonly key: string;
}

/**
 * Reads chain and key and holds them against each other and against the host of the advertised URL (FED-16). Throws
 * `EndpointError` `certificate-unusable`, `certificate-other-host`; the key is in no message.
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
  return { cert, key };
}

function keyFits(leaf: X509Certificate, key: string): boolean {
  try {
    return leaf.checkPrivateKey(createPrivateKey(key));
  } catch {
    // The decoder's own message may quote what it read; the caller's sentence says enough.
    return false;
  }
}
