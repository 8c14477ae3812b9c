import { z } from 'zod';
import { consulMesh } from './consul.ts';
import { filesMesh } from './files.ts';
import { istioMesh } from './istio.ts';
import { kumaMesh } from './kuma.ts';
import { linkerdMesh } from './linkerd.ts';
import { spireMesh } from './spire.ts';
import { vaultMesh } from './vault.ts';

/** `mesh` of an agent: one section for each kind of mesh. */
export const mesh = z.discriminatedUnion('kind', [
  istioMesh,
  consulMesh,
  kumaMesh,
  linkerdMesh,
  spireMesh,
  vaultMesh,
  filesMesh,
]);

/** Whether the mesh reports its trust domain, so that the config need not name it. */
export function reportsTrustDomain(section: Partial<z.output<typeof mesh>>): boolean {
  if (section.kind === 'spire') return section.address === undefined;
  return section.kind !== 'files' && section.kind !== 'vault';
}
