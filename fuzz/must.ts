/** What holds for every input of a target; else the fuzzer has found something. */
export function must(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(`found: it does not hold that ${what}`);
}
