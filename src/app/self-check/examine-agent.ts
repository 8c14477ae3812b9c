import { messageOf } from '../../errors/index.ts';
import type { Finding } from '../../mesh-adapters/index.ts';
import { systemClock } from '../../platform/index.ts';
import {
  agentConfigSchema,
  type LoadedConfig,
  type AgentConfig,
  readConfig,
  ConfigError,
} from '../../config/index.ts';
import { checkConfigFiles, checkDisks, checkModes } from './check-files.ts';
import { checkProgram, checkStore, checkWarnings } from './check-program.ts';
import { checkReach } from './check-reach.ts';
import { type AgentAnswers, type Checked, problem, remark, type Subject } from './subject.ts';

/** All of it, whatever a peer or a disk does. */
const LONGEST_MS = 30_000;

/** The agent to examine. */
export interface AgentToExamine {
  /** Undefined: the agent says which it is. */
  readonly configFile: string | undefined;
  /** Undefined where no agent answers. */
  readonly agent: AgentAnswers | undefined;
  /** Takes what is being checked. */
  readonly onStep: (what: string) => void;
}

/** What was looked at and found. */
export interface AgentExamination {
  readonly examined: readonly string[];
  readonly findings: readonly Finding[];
}

const CHECKS: readonly (readonly [name: string, check: (subject: Subject) => Checked | Promise<Checked>])[] =
  [
    ['versions', checkProgram],
    ['warnings', checkWarnings],
    ['config and files', checkConfigFiles],
    ['file modes', checkModes],
    ['disks', checkDisks],
    ['store', checkStore],
    ['own URL, peers and clocks', checkReach],
  ];

/**
 * Examines an agent without changing it, whether it runs or not: program, config, keys and their
 * modes, certificates, disks, store, clock, own URL and each peer. Takes half a minute at most.
 * Throws `ConfigError` for a config that was named and cannot be read.
 */
export async function examineAgent(asked: AgentToExamine): Promise<AgentExamination> {
  const { agent } = asked;
  const found: Finding[] = [];
  const loaded = load(asked, found);
  const subject: Subject = {
    loaded,
    agent,
    storePath: agent?.about?.store ?? loaded?.config.store,
    clock: systemClock,
    signal: AbortSignal.timeout(LONGEST_MS),
  };
  const running = new Set(CHECKS.map(([name]) => name));
  const tell = () => asked.onStep([...running].join(', '));
  tell();
  const checked = await Promise.all(
    CHECKS.map(async ([name, check]) => {
      const result = await inTime(name, subject, check);
      running.delete(name);
      tell();
      return result;
    }),
  );
  return {
    examined: checked.flatMap(({ examined }) => examined),
    findings: withoutRepeats([...found, ...checked.flatMap(({ findings }) => findings)]),
  };
}

function load(
  { configFile, agent }: AgentToExamine,
  found: Finding[],
): LoadedConfig<AgentConfig> | undefined {
  if (configFile !== undefined) return readConfig(configFile, agentConfigSchema);
  const file = agent?.about?.config;
  if (file === undefined) {
    found.push(
      remark('config-unknown', 'the agent does not say where its config is, so less was looked at', {
        advice: 'name it with --config',
      }),
    );
    return undefined;
  }
  try {
    return readConfig(file, agentConfigSchema);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const mistakes = error.mistakes.map(({ path, message }) => `${path}: ${message}`).join('; ');
    found.push(problem(error.code, `${error.message}${mistakes === '' ? '' : `: ${mistakes}`}`));
    return undefined;
  }
}

/** One check; an error in it, or one that takes too long, is a finding and ends no other. */
async function inTime(
  name: string,
  subject: Subject,
  check: (subject: Subject) => Checked | Promise<Checked>,
): Promise<Checked> {
  const { signal } = subject;
  const over = new Promise<Checked>((resolve) => {
    signal.addEventListener(
      'abort',
      () =>
        resolve({
          examined: [],
          findings: [problem('check-too-slow', `the check of ${name} took too long`)],
        }),
      { once: true },
    );
  });
  try {
    return await Promise.race([Promise.resolve().then(() => check(subject)), over]);
  } catch (error) {
    return {
      examined: [],
      findings: [problem('check-failed', `the check of ${name} failed: ${messageOf(error)}`)],
    };
  }
}

/** The agent and a check may report the same thing; the first one stays. */
function withoutRepeats(findings: readonly Finding[]): Finding[] {
  const seen = new Set<string>();
  return findings.filter(({ code, where = '', message }) => {
    const name = `${code} ${where === '' ? message : where}`;
    if (seen.has(name)) return false;
    seen.add(name);
    return true;
  });
}
