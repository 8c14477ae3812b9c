import { isTrustDomain, type TrustDomain } from '../../spiffe/index.ts';
import { MeshAdapterError } from '../contract/errors.ts';
import type { OwnTrust } from '../contract/mesh-adapter.ts';
import { ownRootsFromPem } from '../contract/own-roots.ts';
import type { OwnTrustReading } from '../contract/own-trust-reading.ts';
import type { MeshTrust } from './mesh-trust.ts';
import type { MeshTrusts } from './mesh-trusts.ts';
import { isOwned, type MeshTrustMarks } from './render.ts';

/**
 * The own trust, and the other trust domains that the mesh itself issues identities in (its other
 * zones, for instance).
 */
export interface KumaOwnTrust {
  readonly own: OwnTrust;
  readonly ownAliases: readonly string[];
}

/**
 * The own trust from the MeshTrusts that the control plane made from a MeshIdentity
 * (`status.origin.kri`). Throws `MeshAdapterError`: `own-trust-domain-missing` where there is none,
 * or not the expected one, `own-trust-domain-ambiguous` where there are several and none is
 * expected, `own-trust-domain-malformed`, `own-roots-malformed`. See docs/meshes/kuma.md.
 */
export function ownTrustOf(trusts: readonly MeshTrust[], expected: TrustDomain | undefined): KumaOwnTrust {
  const own = trusts.filter(({ originKri }) => originKri !== undefined);
  const names = [...new Set(own.map(({ trustDomain }) => trustDomain.toLowerCase()))];
  const chosen = expected ?? names[0];
  const others = names.filter((name) => name !== chosen);
  if (chosen === undefined || !names.includes(chosen)) {
    throw new MeshAdapterError(
      'own-trust-domain-missing',
      chosen === undefined
        ? 'no MeshTrust of the mesh was made from a MeshIdentity'
        : `no MeshTrust made from a MeshIdentity is for ${chosen}${names.length > 0 ? `; there are ${listed(names)}` : ''}`,
    );
  }
  if (expected === undefined && others.length > 0) {
    throw new MeshAdapterError(
      'own-trust-domain-ambiguous',
      `the mesh issues identities in ${listed(names)}, and the config does not choose one of them`,
    );
  }
  if (!isTrustDomain(chosen)) {
    throw new MeshAdapterError(
      'own-trust-domain-malformed',
      `a MeshTrust names ${JSON.stringify(chosen.slice(0, 80))} as the own trust domain, but that is not a trust domain`,
    );
  }
  const mine = own.filter(({ trustDomain }) => trustDomain.toLowerCase() === chosen);
  const where = mine.map(({ name }) => `MeshTrust ${name}`).join(', ');
  const roots = ownRootsFromPem(
    mine.flatMap(({ pems }) => pems),
    where,
  );
  return { own: { trustDomain: chosen, roots }, ownAliases: others };
}

/**
 * Reports the own trust now and after each change of the MeshTrusts, until the signal aborts. An
 * edited or deleted MeshTrust of ours counts as progress, so that it is repaired at once.
 */
export async function readOwnTrust(
  options: OwnTrustReading & {
    readonly trusts: MeshTrusts;
    readonly marks: MeshTrustMarks;
    readonly expected: TrustDomain | undefined;
  },
): Promise<void> {
  const { trusts, marks, expected, state, report, clock, random, signal } = options;
  let ours: string | undefined;
  await trusts.follow({
    onTrusts: (found) => {
      const before = ours;
      ours = contentOf(found.filter((trust) => isOwned(trust, marks)));
      if (before !== undefined && before !== ours) state.progress();
      try {
        report(ownTrustOf(found, expected).own);
        state.contact('own-trust');
      } catch (error) {
        if (!(error instanceof MeshAdapterError)) throw error;
        // The last report stays.
        state.trouble('own-trust', error);
      }
    },
    onContact: () => state.contact('roots'),
    onTrouble: (error) => state.trouble('roots', error),
    clock,
    random,
    signal,
  });
}

function contentOf(trusts: readonly MeshTrust[]): string {
  const texts = trusts.map(({ name, trustDomain, pems, labels }) =>
    JSON.stringify([
      name,
      trustDomain,
      pems,
      Object.entries(labels)
        .map(([key, value]) => `${key}=${value}`)
        .toSorted(),
    ]),
  );
  return texts.toSorted().join();
}

function listed(names: readonly string[]): string {
  return names
    .slice(0, 5)
    .map((name) => JSON.stringify(name.slice(0, 80)))
    .join(', ');
}
