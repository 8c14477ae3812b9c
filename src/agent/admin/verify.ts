import type { HandlersOf, verifyRoutes } from '../../admin/index.ts';
import type { Federation } from '../../federation/index.ts';
import type { Clock } from '../../platform/index.ts';
import type { BundleSource } from '../../spiffe/index.ts';
import type { Store } from '../../store/index.ts';
import type { AgentConfig } from '../../config/index.ts';
import type { OwnBundle } from '../own-bundle.ts';
import { verifyChain, verifyToken } from './verify-svids.ts';

/** Judges certificates and tokens as the agent does, by our own bundle and those of the peers. */
export function verifyHandlers({
  federation,
  ownBundle,
  store,
  config,
  clock,
}: {
  readonly federation: Pick<Federation, 'bundles' | 'distrusts' | 'held'>;
  readonly ownBundle: Pick<OwnBundle, 'current' | 'reported'>;
  readonly store: Pick<Store, 'current'>;
  readonly config: { readonly federation: Pick<AgentConfig['federation'], 'strict_key_usage'> };
  readonly clock: Clock;
}): HandlersOf<keyof typeof verifyRoutes> {
  const bundles: BundleSource = {
    bundleFor: (trustDomain) => {
      const own = ownBundle.current;
      return own?.trustDomain === trustDomain ? own : federation.bundles.bundleFor(trustDomain);
    },
    distrustedKeys: (trustDomain) => federation.bundles.distrustedKeys?.(trustDomain),
  };
  const held: BundleSource = {
    bundleFor: (trustDomain) => {
      const own = ownBundle.reported ?? ownBundle.current;
      return own?.trustDomain === trustDomain ? own : federation.held.bundleFor(trustDomain);
    },
  };
  const parts = {
    bundles,
    held,
    distrusted: (trustDomain: string) =>
      federation.distrusts.list().filter((key) => key.trustDomain === trustDomain),
    store,
    clock,
    strictKeyUsage: config.federation.strict_key_usage,
  };
  return {
    'POST /v1/verify': ({ body }) => verifyChain(parts, body.pem, body.peer_role),
    'POST /v1/verify-jwt': ({ body }) => verifyToken(parts, body.token, body.audiences),
  };
}
