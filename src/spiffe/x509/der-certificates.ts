import { DerError, DerReader, Tag } from '../base/der.ts';
import { CertificateError } from './certificate.ts';

const MAX_CERTIFICATES = 1000;
const PEM_BEGINS = Buffer.from('-----BEGIN');

/**
 * Splits concatenated certificates in DER (Workload API §5.1), in order, copied and unchecked; none
 * for no bytes. Throws `CertificateError` `certificate-malformed`, for PEM too (WLAPI-20).
 */
export function certificatesFromDer(bytes: Uint8Array): Uint8Array[] {
  const reader = new DerReader(bytes);
  const certificates: Uint8Array[] = [];
  try {
    while (!reader.done) {
      if (certificates.length === MAX_CERTIFICATES)
        throw new DerError(`more than ${MAX_CERTIFICATES} certificates follow one another`);
      certificates.push(Uint8Array.from(reader.element(Tag.sequence)));
    }
  } catch (cause) {
    if (!(cause instanceof DerError)) throw cause;
    const isPem = PEM_BEGINS.equals(bytes.subarray(0, PEM_BEGINS.length));
    throw new CertificateError(
      'certificate-malformed',
      isPem
        ? 'PEM stands where certificates in DER belong'
        : `these are not certificates in DER: ${cause.message}`,
      { cause },
    );
  }
  return certificates;
}
