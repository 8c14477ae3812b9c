/** One thing that an examination of a mesh found. */
export interface Finding {
  /** A stable word that scripts can go by. */
  readonly code: string;
  /**
   * `wrong`: stops foreign identities, or lets in more than it should. `note`: good to know,
   * nothing to repair.
   */
  readonly level: 'wrong' | 'note';
  /** What it is about: an object of the mesh, a service, a trust domain. */
  readonly where?: string;
  readonly message: string;
  /** What to do about it. */
  readonly advice?: string;
}

/** What an examination looked at and what it found; nothing was changed by it. */
export interface Examination {
  readonly mesh: 'istio' | 'consul';
  /** What was read, in words, so that silence is told from not having looked. */
  readonly examined: readonly string[];
  readonly findings: readonly Finding[];
}

/** A finding that something is wrong. */
export function wrong(code: string, where: string, message: string, advice: string): Finding {
  return { code, level: 'wrong', where, message, advice };
}

/** A finding that is good to know. */
export function told(code: string, where: string, message: string, advice?: string): Finding {
  return { code, level: 'note', where, message, ...(advice === undefined ? {} : { advice }) };
}

/** The findings in one order, whichever answer of a mesh came first. */
export function inOrder(findings: readonly Finding[]): Finding[] {
  const keyOf = ({ where = '', code }: Finding) => `${where} ${code}`;
  return findings.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
}
