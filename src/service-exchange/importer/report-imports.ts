import type { TrustDomain } from '../../spiffe/index.ts';
import type { ImportReport } from '../../services/index.ts';
import type { HeldCatalogues } from './held-catalogues.ts';
import type { Import } from './import-book.ts';
import { isUsed } from './judge-import.ts';

/** What our mesh did with an import. */
export interface MeshAnswer {
  readonly trustDomain: TrustDomain;
  readonly service: string;
  /** Why the mesh does not take it; absent where it does. */
  readonly code?: string;
  /** The SNI that the mesh sends for each port, by name, where it computes one. */
  readonly wantedSni?: Readonly<Record<string, string>>;
}

/** What we report to a peer about its services; undefined without a catalogue of it. */
export function reportImports(
  trustDomain: TrustDomain,
  facts: {
    readonly held: HeldCatalogues;
    readonly imports: readonly Import[];
    readonly mesh: readonly MeshAnswer[];
  },
): ImportReport | undefined {
  const held = facts.held.of(trustDomain);
  if (!held) return undefined;
  const rows = facts.imports.map(({ row }) => row).filter((row) => row.trustDomain === trustDomain);
  const answers = facts.mesh.filter((answer) => answer.trustDomain === trustDomain);
  const refusedByMesh = new Map(
    answers.flatMap(({ service, code }) => (code === undefined ? [] : [[service, code] as const])),
  );
  const refused = rows.flatMap(({ service, state, reason }) => {
    const code = state === 'conflict' ? reason?.code : refusedByMesh.get(service);
    return code === undefined ? [] : [{ id: service, code }];
  });
  const used = rows.filter(({ state }) => isUsed(state)).map(({ service }) => service);
  const wantedSni = answers
    .filter(({ service }) => used.includes(service))
    .flatMap(({ service, wantedSni: snis = {} }) =>
      Object.entries(snis).map(([port, sni]) => [`${service}/${port}`, sni] as const),
    );
  return {
    sequence: held.sequence,
    imported: used,
    refused,
    wantedSni: new Map(wantedSni),
    isPartial: false,
  };
}
