import { parseServiceId } from '../../services/index.ts';
import { isTrustDomain } from '../../spiffe/index.ts';
import type { ReportSubject } from './service-report.ts';

/**
 * The text by which an object in a mesh names its subject: `west.example/info` for an import, and
 * `info` for a service of ours.
 */
export function subjectKey({ service, trustDomain }: Omit<ReportSubject, 'subject'>): string {
  return trustDomain === undefined ? service : `${trustDomain}/${service}`;
}

/** The subject of such a text; undefined where the text was edited. */
export function subjectFromKey(key: string, subject: ReportSubject['subject']): ReportSubject | undefined {
  const slash = key.lastIndexOf('/');
  const trustDomain = key.slice(0, Math.max(0, slash));
  if ((subject === 'import') !== (slash !== -1)) return undefined;
  try {
    const service = parseServiceId(key.slice(slash + 1));
    if (slash === -1) return { subject, service };
    return isTrustDomain(trustDomain) ? { subject, service, trustDomain } : undefined;
  } catch {
    return undefined;
  }
}
