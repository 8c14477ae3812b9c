import { availableParallelism, loadavg } from 'node:os';

/**
 * How busy the machine is: processes that want a core, averaged over a minute, and the cores there
 * are.
 */
export interface MachineLoad {
  readonly load: number;
  readonly cores: number;
}

/** Gives the load of this machine now. */
export type LoadSource = () => MachineLoad;

export const systemLoad: LoadSource = () => ({ load: loadavg()[0] ?? 0, cores: availableParallelism() });

/** How many times longer something takes because others want the cores, 1 at least. */
export function slowdownOf({ load, cores }: MachineLoad): number {
  return Math.max(1, load / cores);
}

/**
 * One sentence that says that the machine is overloaded; undefined below two processes for each
 * core.
 */
export function overloadSentence(now: MachineLoad): string | undefined {
  if (slowdownOf(now) < 2) return undefined;
  const cores = now.cores === 1 ? '1 core' : `${now.cores} cores`;
  return `this machine is overloaded: ${Math.round(now.load)} processes want ${cores}`;
}
