import type { InMeshDocument } from '../../admin-client/index.ts';
import type { ForeignTrustReport } from '../../mesh-adapters/index.ts';

/** What the admin API says of the last word of the mesh; null where it has nothing. */
export function describeReport(report: ForeignTrustReport | undefined): InMeshDocument | null {
  return report ? { state: report.state, code: report.code ?? null, message: report.message ?? null } : null;
}
