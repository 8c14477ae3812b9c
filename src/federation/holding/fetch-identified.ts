import { FetchError } from '../fetch/errors.ts';
import { fetchBundle, type FetchOutcome, type FetchRequest } from '../fetch/fetch-bundle.ts';
import type { HoldingStatements } from './holding-statements.ts';

/**
 * Fetches as `fetchBundle` does, and says what is held. An endpoint of another product knows
 * nothing of that; should one refuse a request for its header, it is asked again without it, so
 * that no poll ever fails for what it says.
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
