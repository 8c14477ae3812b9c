import type { ImportedService } from '../../services/index.ts';
import { defined } from '../../objects/index.ts';
import type { ServiceReport, WantedAccess, WantedExport } from './mesh-services.ts';
import type { PropagationState } from './propagation-state.ts';

/** What a report is about. */
export type ReportSubject = Pick<ServiceReport, 'subject' | 'service' | 'trustDomain'>;

export const importSubject = ({ id, trustDomain }: ImportedService): ReportSubject => ({
  subject: 'import',
  service: id,
  trustDomain,
});
export const exportSubject = ({ service }: WantedExport): ReportSubject => ({
  subject: 'export',
  service: service.id,
});
export const accessSubject = ({ policy }: WantedAccess): ReportSubject => ({
  subject: 'access',
  service: policy.service.id,
});

/** Returns a report on a subject. `note` is the reason of a refusal or a failure, else a note. */
export function serviceReport(
  { subject, service, trustDomain }: ReportSubject,
  state: PropagationState,
  at: Date,
  note?: { readonly code: string; readonly message: string },
): ServiceReport {
  const reason = note && { code: note.code, message: note.message };
  return { subject, service, ...defined({ trustDomain }), state, ...reason, at };
}
