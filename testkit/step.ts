/**
 * Runs one step of a test that is one scenario. An error names the step, because the title of the
 * test cannot.
 */
export async function step<Result>(name: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Error) error.message = `in the step "${name}": ${error.message}`;
    throw error;
  }
}
