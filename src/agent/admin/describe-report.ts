import type { InMeshDocument, OutOfMeshDocument } from '../../admin/index.ts';
import type { ForeignTrustReport } from '../../mesh-adapters/index.ts';

/** The last report of the mesh, in the form of the admin API; null where the mesh has nothing. */
export function describeReport(
  report: { readonly state: string; readonly code?: string; readonly message?: string } | undefined,
): InMeshDocument | null {
  return report ? { state: report.state, code: report.code ?? null, message: report.message ?? null } : null;
}

/**
 * The result of a removal, in the form of the admin API: what the mesh still has, or what its last
 * report of the peer asks for.
 */
export function describeRemoval(report: ForeignTrustReport | undefined): OutOfMeshDocument {
  if (report?.state !== 'removed') return { in_mesh: describeReport(report), note: null };
  const { code, message } = report;
  return { in_mesh: null, note: code === undefined || message === undefined ? null : { code, message } };
}
