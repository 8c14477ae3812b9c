import type { Compilation } from '../../services/index.ts';
import type { ServiceFault } from './judge-imports.ts';

/**
 * What a report says about a compiled policy. With a fault nothing is written: the target cannot
 * express the policy, and the rest would allow too much. A note tells what was left out, or what the
 * operator has to know. Pure; codes `policy-not-expressible`, `rule-left-out` and those of
 * `CompilationWarning`.
 */
export function judgeCompilation({ objects, refused, warnings }: Compilation): {
  readonly fault?: ServiceFault;
  readonly note?: ServiceFault;
} {
  const [first, ...others] = refused;
  const text = first && `rule ${first.rule}, ${first.element}: ${first.message}`;
  const more = others.length === 0 ? '' : ` (and ${others.length} more)`;
  if (text !== undefined && objects.length === 0)
    return { fault: { code: 'policy-not-expressible', message: `${text}${more}` } };
  if (text !== undefined) return { note: { code: 'rule-left-out', message: `${text}${more}` } };
  const [warning] = warnings;
  return warning ? { note: warning } : {};
}
