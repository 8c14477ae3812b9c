import { canListen, formatDurationMs, version } from '../../platform/index.ts';
import { readStoreHealth, StoreError } from '../../store/index.ts';
import type { Finding } from '../../mesh-adapters/index.ts';
import { type Checked, NOTHING_CHECKED, problem, remark, type Subject } from './subject.ts';

/** A larger store is not read as a whole, because that takes long. */
const MAX_CHECKED_BYTES = 256 * 1024 * 1024;
/** Clocks of one machine do not go back by more than this. */
const CLOCK_SLACK_MS = 60_000;

/** Whether the agent runs, and is the program that this command belongs to. */
export async function checkProgram({ agent, loaded }: Subject): Promise<Checked> {
  if (!agent) {
    const listen = loaded?.config.endpoint.listen;
    const inUse = listen !== undefined && !(await canListen(listen));
    return {
      examined: [`versions: command ${version()}, Node.js ${process.versions.node}`],
      findings: [
        problem('agent-down', 'no agent answers on the admin socket', {
          advice: 'start it, and look at its log where it does not stay up',
        }),
        ...(inUse
          ? [problem('port-in-use', `${listen.host}:${listen.port} of endpoint.listen cannot be opened`)]
          : []),
      ],
    };
  }
  const { about, status } = agent;
  const running = about ? `${about.version}, Node.js ${about.node}` : 'unknown';
  const findings: Finding[] = [];
  if (about?.version !== version())
    findings.push(
      problem(
        'version-differs',
        `the agent is version ${about?.version ?? 'unknown'}, this command ${version()}`,
        {
          advice: 'restart the agent, so that it runs what is installed',
        },
      ),
    );
  if (!status.ready)
    findings.push(
      problem('agent-not-ready', 'the agent is not ready', {
        advice: '"federate status" says what it has; its log says what it waits for',
      }),
    );
  return {
    examined: [`versions: agent ${running}; command ${version()}, Node.js ${process.versions.node}`],
    findings,
  };
}

/** What needs an operator's hand by the agent's own list. */
export function checkWarnings({ agent }: Subject): Checked {
  if (!agent) return NOTHING_CHECKED;
  const { warnings } = agent.status;
  const findings = warnings.map(({ code, message, trust_domain: where }) =>
    problem(code, message, {
      ...(where === null ? {} : { where }),
      advice: 'docs/operations.md says for each warning what to do',
    }),
  );
  return { examined: [`warnings of the agent: ${warnings.length}`], findings };
}

/** The store file, and the clock against the newest time in it. */
export function checkStore({ storePath, clock }: Subject): Checked {
  if (storePath === undefined) return NOTHING_CHECKED;
  const examined = [`store ${storePath}`];
  try {
    const { problems, newestEventAt } = readStoreHealth(storePath, MAX_CHECKED_BYTES);
    const findings: Finding[] = (problems ?? []).map((message) =>
      problem('store-corrupt', `SQLite finds the store damaged: ${message}`),
    );
    if (problems === undefined)
      findings.push(
        remark('store-not-checked', 'the store is too large for a quick check', {
          advice: '"federate history verify" checks all of it',
        }),
      );
    const aheadMs = newestEventAt ? newestEventAt.getTime() - clock.now().getTime() : 0;
    if (aheadMs > CLOCK_SLACK_MS)
      findings.push(
        problem(
          'clock-behind',
          `the newest entry of the store is ${formatDurationMs(aheadMs)} in the future by this clock`,
          { advice: 'set the clock right (NTP)' },
        ),
      );
    return { examined, findings };
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    return { examined, findings: [problem(error.code, error.message)] };
  }
}
