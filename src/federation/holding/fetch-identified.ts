import { FetchError } from '../fetch/errors.ts';
import { fetchBundle, type FetchOutcome, type FetchRequest } from '../fetch/fetch-bundle.ts';
import type { HoldingStatements } from './holding-statements.ts';

/**
 * Fetches as `fetchBundle` does, and reports what is held. An endpoint of another product ignores
 * that report. Where one refuses the request because of its header, the agent asks again without
 * it. So no poll fails because of the report.
 */
export async function fetchIdentified(
  request: FetchRequest,
  statements: HoldingStatements | undefined,
): Promise<FetchOutcome> {
  const { trustDomain } = request;
  const holding = await statements?.statementFor(trustDomain);
  if (!statements || holding === undefined) return fetchBundle(request);
  try {
    return await fetchBundle({ ...request, holding });
  } catch (error) {
    if (!(error instanceof FetchError) || error.code !== 'status-refused') throw error;
    const outcome = await fetchBundle(request);
    statements.leaveOut(trustDomain);
    return outcome;
  }
}
