import { type Svid, type SvidSource, svidFromPem } from '../mtls/index.ts';
import { Listeners, type Log } from '../platform/index.ts';
import type { SdsClient } from './sds-client.ts';

/**
 * Our SVID from the secret `name` of an SDS server. An unusable secret leaves the last good SVID.
 */
export function createSdsSvidSource(client: SdsClient, name: string, log: Log): SvidSource {
  const listeners = new Listeners();
  let current: Svid | undefined;
  const take = (): boolean => {
    const secret = client.current(name);
    if (secret?.kind !== 'certificate') return false;
    try {
      current = svidFromPem(secret.chainPem, secret.keyPem);
    } catch (error) {
      log.error('SVID from SDS not usable, the last one stays', {
        secret: name,
        error,
      });
      return false;
    }
    log.info('SVID received', { id: current.id, not_after: current.notAfter });
    return true;
  };
  take();
  client.onChange((changed) => {
    if (changed !== name || !take()) return;
    listeners.notify();
  });
  return {
    current: () => current,
    onChange: listeners.add,
  };
}
