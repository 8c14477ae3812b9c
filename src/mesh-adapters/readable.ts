import { X509Certificate } from 'node:crypto';

const readable = new WeakSet<object>();

/**
 * Sees that OpenSSL reads a certificate and its key, because one that it cannot read makes verifiers refuse everything that stands
 * next to it. Throws what OpenSSL says.
 */
export function assertReadable(certificate: { readonly der: Uint8Array }): void {
  if (readable.has(certificate)) return;
  void new X509Certificate(certificate.der).publicKey;
  readable.add(certificate);
}
