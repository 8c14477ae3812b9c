/** One thing that an examination of a mesh found. */
import { defined } from '../../objects/index.ts';
export interface Finding {
  /** A stable code that scripts can match. */
  readonly code: string;
  /**
   * `wrong`: stops foreign identities, or admits more than it should. `note`: good to know, nothing
   * to repair.
   */
  readonly level: 'wrong' | 'note';
  /** The subject: an object of the mesh, a service, a trust domain. */
  readonly where?: string;
  readonly message: string;
  /** How to repair it. */
  readonly advice?: string;
}

/** What an examination read and found. An examination changes nothing. */
export interface Examination {
  readonly mesh: 'istio' | 'consul';
  /** What was read, in text, so that a reader can distinguish "no finding" from "not examined". */
  readonly examined: readonly string[];
  readonly findings: readonly Finding[];
}

/** A finding that something is wrong. */
export function wrong(code: string, where: string, message: string, advice: string): Finding {
  return { code, level: 'wrong', where, message, advice };
}

/** A finding for information only. */
export function noted(code: string, where: string, message: string, advice?: string): Finding {
  return { code, level: 'note', where, message, ...defined({ advice }) };
}

/** The findings in one order, whichever answer of a mesh came first. */
export function inOrder(findings: readonly Finding[]): Finding[] {
  const keyOf = ({ where = '', code }: Finding) => `${where} ${code}`;
  return findings.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
}
