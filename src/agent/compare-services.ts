import {
  accessSubject,
  exportSubject,
  importSubject,
  type MeshServices,
  type ReportSubject,
  type ServiceReport,
  serviceReport,
} from '../mesh-adapters/index.ts';
import { describeError } from '../platform/index.ts';
import { hasFailed, keyOf } from './service-reports.ts';
import type { ServiceWants } from './service-wants.ts';

const WITHOUT_SERVICES = {
  code: 'mesh-without-services',
  message: 'the agent cannot write services into a mesh of this kind',
};

/** What a comparison needs. */
export interface ServiceComparison {
  /** Undefined where the mesh knows no services. */
  readonly services: MeshServices | undefined;
  readonly wants: ServiceWants;
  /** The reports so far. What they name and nobody wants may still be in the mesh. */
  readonly before: readonly ServiceReport[];
  readonly onError: (what: ServiceReport['subject'], error: unknown) => void;
  readonly now: () => Date;
  readonly signal: AbortSignal;
}

/**
 * Makes the mesh hold what is wanted, and returns a report on everything that is wanted or that was
 * reported before. Policies come first: a service is exported only while its policy is in the mesh,
 * because a mesh without a policy can let every caller in. Never rejects, but for an aborted signal.
 */
export async function compareServices(comparison: ServiceComparison): Promise<readonly ServiceReport[]> {
  const { wants, now } = comparison;
  const access = await comparePart(comparison, {
    subject: 'access',
    wanted: () => wants.access(),
    subjectOf: accessSubject,
    apply: (services, wanted, signal) => services.applyAccess(wanted, signal),
  });
  const unguarded = new Map(
    access.filter(hasFailed).map((report) => [report.service, report.message ?? report.state]),
  );
  const exports = await comparePart(comparison, {
    subject: 'export',
    wanted: () => wants.exports(),
    subjectOf: exportSubject,
    apply: async (services, wanted, signal) => [
      ...wanted.flatMap((each) => {
        const why = unguarded.get(each.service.id);
        if (why === undefined) return [];
        const message = `its access policy is not in the mesh: ${why}`;
        return [
          serviceReport(exportSubject(each), 'refused', now(), { code: 'policy-not-in-mesh', message }),
        ];
      }),
      ...(await services.applyExports(
        wanted.filter(({ service }) => !unguarded.has(service.id)),
        signal,
      )),
    ],
  });
  const imports = await comparePart(comparison, {
    subject: 'import',
    wanted: () => wants.imports(),
    subjectOf: importSubject,
    apply: (services, wanted, signal) => services.applyImports(wanted, signal),
  });
  return [...access, ...exports, ...imports];
}

interface Part<Wanted> {
  readonly subject: ServiceReport['subject'];
  readonly wanted: () => Promise<readonly Wanted[] | undefined>;
  readonly subjectOf: (wanted: Wanted) => ReportSubject;
  readonly apply: (
    services: MeshServices,
    wanted: readonly Wanted[],
    signal: AbortSignal,
  ) => Promise<readonly ServiceReport[]>;
}

async function comparePart<Wanted>(
  { services, before, onError, now, signal }: ServiceComparison,
  { subject, wanted: read, subjectOf, apply }: Part<Wanted>,
): Promise<readonly ServiceReport[]> {
  const known = before.filter((report) => report.subject === subject);
  let subjects: readonly ReportSubject[] = [];
  try {
    const wanted = await read();
    if (wanted === undefined) return known;
    subjects = wanted.map(subjectOf);
    const reports = services
      ? await apply(services, wanted, signal)
      : subjects.map((each) => serviceReport(each, 'refused', now(), WITHOUT_SERVICES));
    const gone = missing(known, reports).map((each) => serviceReport(each, 'removed', now()));
    return [...reports, ...gone];
  } catch (error) {
    signal.throwIfAborted();
    // Without rights for services an agent has none in the mesh. Trust reports a mesh that is away.
    if (subjects.length === 0 && known.length === 0) return [];
    onError(subject, error);
    const { code = 'mesh-failed', message } = describeError(error);
    // What is to go may still be there, and that must be reported too.
    return [...subjects, ...missing(known, subjects)].map((each) =>
      serviceReport(each, 'failed', now(), { code, message }),
    );
  }
}

function missing(known: readonly ReportSubject[], named: readonly ReportSubject[]): readonly ReportSubject[] {
  const keys = new Set(named.map(keyOf));
  return known.filter((each) => !keys.has(keyOf(each)));
}
