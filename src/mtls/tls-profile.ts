import { constants } from 'node:crypto';
import type { SecureContextOptions, SecureVersion } from 'node:tls';

/**
 * Mozilla's intermediate profile without its DHE suites, which it is dropping; the client's
 * preference decides (FED-15).
 */
const CIPHERS = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':');

const SECURE_OPTIONS = constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION;

/**
 * Added by a server of the mesh's own traffic, where FED-15 does not bind. Its order decides, whose
 * first suite costs the least. A client that puts ChaCha20 first, as one without AES instructions
 * does, gets that.
 */
export const SERVER_CHOOSES_SUITE: SecureContextOptions = {
  honorCipherOrder: true,
  secureOptions: SECURE_OPTIONS | constants.SSL_OP_PRIORITIZE_CHACHA,
};

/**
 * The TLS settings of every server and client here, without certificate and key. Tickets are off
 * and there is no session store, so nothing can be resumed (FED-42). `setSecureContext` forgets
 * what it is not given: pass all of them again each time.
 */
export function secureContextOptions(minVersion: SecureVersion = 'TLSv1.2'): SecureContextOptions {
  return {
    minVersion,
    maxVersion: 'TLSv1.3',
    ciphers: CIPHERS,
    ecdhCurve: 'X25519MLKEM768:X25519:prime256v1:secp384r1',
    honorCipherOrder: false,
    secureOptions: SECURE_OPTIONS,
    // Empty, not absent: the peer sees no CA, no system store is used, and Node keeps the chain as
    // sent.
    ca: [],
  };
}
