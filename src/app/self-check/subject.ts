import type { AboutDocument, StatusDocument } from '../../admin-client/index.ts';
import type { AgentConfig, LoadedConfig } from '../../config/index.ts';
import type { Finding } from '../../mesh-adapters/index.ts';
import type { Clock } from '../../platform/index.ts';

/** How long one endpoint may take to answer. */
export const FETCH_MS = 5000;

/** How the agent answered on its admin socket. */
export interface AgentAnswers {
  /** Undefined from an agent that is too old to say it. */
  readonly about: AboutDocument | undefined;
  readonly status: StatusDocument;
}

/** The agent that is examined: what it answered, or what its config says of it. */
export interface Subject {
  readonly loaded: LoadedConfig<AgentConfig> | undefined;
  /** Undefined while it does not run. */
  readonly agent: AgentAnswers | undefined;
  readonly storePath: string | undefined;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** What one check has looked at, in text, and what it found. */
export interface Checked {
  readonly examined: readonly string[];
  readonly findings: readonly Finding[];
}

export const NOTHING_CHECKED: Checked = { examined: [], findings: [] };

/** One thing wrong. `where` is a trust domain where it is about a peer. */
export function problem(
  code: string,
  message: string,
  more: Pick<Finding, 'where' | 'advice'> = {},
): Finding {
  return { code, level: 'wrong', message, ...more };
}

/** One thing that is good to know. */
export function remark(code: string, message: string, more: Pick<Finding, 'where' | 'advice'> = {}): Finding {
  return { code, level: 'note', message, ...more };
}
