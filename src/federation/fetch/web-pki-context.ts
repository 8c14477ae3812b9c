import { createHash } from 'node:crypto';
import { createSecureContext, type SecureContext } from 'node:tls';
import { defined } from '../../objects/index.ts';

/**
 * Private CA files that are in use at once; beyond that the one unused for longest is built again.
 */
const MAX_CONTEXTS = 64;

const contexts = new Map<string, SecureContext>();

/**
 * The TLS context for `https_web`: the CAs that Node trusts, or only those of `caPem`. One per set
 * of CAs, shared by all peers, since building one costs more than a handshake; it holds no session
 * and no certificate of ours.
 */
export function webPkiContext(caPem: string | undefined): SecureContext {
  const key = caPem === undefined ? 'public' : createHash('sha256').update(caPem).digest('hex');
  const known = contexts.get(key);
  // A list, because an empty text alone would mean the CAs that Node trusts.
  const ca = caPem === undefined ? undefined : [caPem];
  const context = known ?? createSecureContext({ minVersion: 'TLSv1.2', ...defined({ ca }) });
  contexts.delete(key);
  contexts.set(key, context);
  const [oldest] = contexts.keys();
  if (contexts.size > MAX_CONTEXTS && oldest !== undefined) contexts.delete(oldest);
  return context;
}
