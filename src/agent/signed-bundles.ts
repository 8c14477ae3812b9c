import type { EndpointExtension } from '../bundle-endpoint/index.ts';
import { type Federation, signBundle, type SignedBundle } from '../federation/index.ts';
import type { SvidSource } from '../mtls/index.ts';
import type { Clock } from '../platform/index.ts';
import { isTrustDomain, type TrustBundle } from '../spiffe/index.ts';
import { AgentError } from './errors.ts';

const SERVED_LIFETIME_MS = 24 * 60 * 60_000;

/** Our bundle with our signature, and those of peers that we carry. */
export interface SignedBundles {
  /** Signs our bundle as it is now. Rejects with `AgentError` `own-bundle-unknown`, `no-svid`. */
  sign(lifetimeMs: number): Promise<SignedBundle>;
  /** Serves them. */
  readonly extension: EndpointExtension;
}

/** Each of them verifies by itself, so any caller may read them. */
export function createSignedBundles(parts: {
  readonly own: () => TrustBundle | undefined;
  readonly svid: SvidSource | undefined;
  readonly federation: Pick<Federation, 'carried'>;
  /** Whether those of peers are served too. This shows any caller with whom we federate. */
  readonly carry: boolean;
  readonly clock: Clock;
}): SignedBundles {
  const { own, svid, federation, carry, clock } = parts;
  const sign = (lifetimeMs: number): Promise<SignedBundle> => {
    const bundle = own();
    const signer = svid?.current();
    if (!bundle) throw new AgentError('own-bundle-unknown', 'our own mesh has not reported its roots yet');
    if (!signer) throw new AgentError('no-svid', 'this agent has no SVID to sign its bundle with');
    return signBundle({ bundle, signer, now: clock.now(), lifetimeMs });
  };
  let served: { readonly of: unknown; readonly by: unknown; readonly signed: SignedBundle } | undefined;
  const ownNow = async (): Promise<SignedBundle> => {
    const [of, by] = [own(), svid?.current()];
    const leftMs = served ? served.signed.expiresAt.getTime() - clock.now().getTime() : 0;
    if (!served || served.of !== of || served.by !== by || leftMs < SERVED_LIFETIME_MS / 2)
      served = { of, by, signed: await sign(SERVED_LIFETIME_MS) };
    return served.signed;
  };
  return {
    sign: async (lifetimeMs) => sign(lifetimeMs),
    extension: {
      accept: ({ method, path }) => {
        // Our own bundle, and below that path those of peers that came signed.
        const wanted = /^\/federate\/v1\/signed-bundle(?:\/([^/?]+))?$/.exec(path);
        if (!wanted || method !== 'GET') return undefined;
        const [, name] = wanted;
        if (name === undefined) return own() && svid?.current() ? plan(ownNow) : undefined;
        const carried = carry && isTrustDomain(name) ? federation.carried.of(name, clock.now()) : undefined;
        return carried && plan(() => Promise.resolve(carried));
      },
    },
  };
}

function plan(signed: () => Promise<SignedBundle>) {
  return {
    maxBodyBytes: 0,
    answer: async () => ({
      status: 200,
      body: `${(await signed()).token}\n`,
      headers: { 'content-type': 'application/jose', 'cache-control': 'no-cache' },
    }),
  };
}

/** Several extensions as one: the first that takes a request on answers it. */
export function anyExtension(extensions: readonly EndpointExtension[]): EndpointExtension {
  return {
    accept: (request) => {
      for (const extension of extensions) {
        const accepted = extension.accept(request);
        if (accepted) return accepted;
      }
      return undefined;
    },
  };
}
