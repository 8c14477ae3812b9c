import type { ReportSubject, ServiceReport } from '../mesh-adapters/index.ts';

/** The mesh's last report on each import, export and policy that it holds, or may hold. */
export class ServiceReports {
  readonly #reports = new Map<string, ServiceReport>();

  /**
   * Returns whether the report differs from the one before it. A state that goes on keeps the
   * instant of its beginning.
   */
  note(report: ServiceReport): boolean {
    const key = keyOf(report);
    if (report.state === 'removed') return this.#reports.delete(key);
    const before = this.#reports.get(key);
    const goesOn = before?.state === report.state;
    this.#reports.set(key, goesOn ? { ...report, at: before.at } : report);
    return !goesOn || before.code !== report.code;
  }

  of(subject: ReportSubject): ServiceReport | undefined {
    return this.#reports.get(keyOf(subject));
  }

  list(): readonly ServiceReport[] {
    return [...this.#reports.values()];
  }
}

/** Unique to what a report is about. */
export function keyOf({ subject, service, trustDomain }: ReportSubject): string {
  return [subject, trustDomain ?? '', service].join(' ');
}

/** Whether the mesh does not have it as it should. */
export function hasFailed({ state }: ServiceReport): boolean {
  return state === 'failed' || state === 'refused';
}

/** The service in a message, such as `the import info of west.example`. */
export function subjectText({ subject, service, trustDomain }: ReportSubject): string {
  const what = subject === 'access' ? 'access policy of' : subject;
  return trustDomain === undefined ? `the ${what} ${service}` : `the ${what} ${service} of ${trustDomain}`;
}
