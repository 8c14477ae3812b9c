import { join } from 'node:path';
import { type ControlStatus, createControlClient, type ControlClient } from '../simulated-mesh/index.ts';
import { FederateProcess, runVerb } from './child-process.ts';
import { check, until, type Waits } from './until.ts';
import { httpGet, readiness } from './http-call.ts';
import { type Layout, names } from './layout.ts';

export type MeshName = 'istio' | 'consul';

/** The backend's result of a call to info: the remark, or the reason why the call failed. */
export interface CallOutcome {
  readonly remark?: { readonly text: string; readonly caller: string };
  readonly missing?: { readonly code: string; readonly message: string };
}

/**
 * Other programs that take the place of `federate` processes, by mesh and name (`istio/gateway`):
 * the program, then its arguments.
 */
export type StandIns = ReadonlyMap<string, readonly [program: string, ...args: string[]]>;

/** The two meshes of the demonstration, as running `federate` processes. */
export class Meshes {
  readonly layout: Layout;
  readonly control: Readonly<Record<MeshName, ControlClient>>;
  readonly #waits: Waits;
  readonly #standIns: StandIns;
  readonly #processes = new Map<string, FederateProcess>();

  constructor(layout: Layout, waits: Waits, standIns: StandIns = new Map()) {
    this.layout = layout;
    this.#waits = waits;
    this.#standIns = standIns;
    this.control = {
      istio: createControlClient(layout.istio('control.sock')),
      consul: createControlClient(layout.consul('control.sock')),
    };
  }

  get processCount(): number {
    return this.#processes.size;
  }

  /**
   * Starts everything and waits until both agents are ready and the page answers. `did` takes each
   * stage when it is done.
   */
  async start(did: (text: string) => void = () => {}): Promise<void> {
    for (const mesh of ['istio', 'consul'] as const) this.#run(mesh, 'control', ['simulate', mesh]);
    await Promise.all([this.status('istio'), this.status('consul')]);
    did('started two control planes');
    for (const mesh of ['istio', 'consul'] as const) {
      this.#run(mesh, 'agent', ['agent']);
      this.#run(mesh, 'gateway', ['gateway']);
    }
    for (const [mesh, workload] of [
      ['istio', 'frontend'],
      ['istio', 'backend'],
      ['consul', 'info'],
    ] as const) {
      this.#run(mesh, workload, ['simulate', 'weather']);
      this.#run(mesh, `${workload}-sidecar`, ['sidecar']);
    }
    await Promise.all([this.agentReady('istio'), this.agentReady('consul')]);
    did('started two agents, two gateways, and three workloads with their sidecars');
    await until(this.#waits, 'the weather page answers', async () => {
      this.checkRunning();
      const { status } = await httpGet(`http://127.0.0.1:${this.layout.ports.frontend}/api/weather`);
      return status === 200 ? true : undefined;
    });
  }

  /** The control plane's own account of its mesh; waits until it answers. */
  async status(mesh: MeshName): Promise<ControlStatus> {
    const { found } = await until(this.#waits, `the ${mesh} control plane answers`, () => {
      this.checkRunning();
      return this.control[mesh].status();
    });
    return found;
  }

  /** Waits until the agent of a mesh serves its own bundle. */
  async agentReady(mesh: MeshName): Promise<void> {
    await until(
      this.#waits,
      `the ${mesh} agent is ready`,
      async () => {
        this.checkRunning();
        return (await readiness(this.layout[mesh]('admin.sock'))) ? true : undefined;
      },
      { everyMs: 100 },
    );
  }

  /** Runs a verb of the command against the agent of a mesh, as its operator would. */
  verb(mesh: MeshName, args: readonly string[]): ReturnType<typeof runVerb> {
    return runVerb([...args, '--socket', this.layout[mesh]('admin.sock')]);
  }

  /** The same, which must succeed; the JSON document it prints. */
  async ask(mesh: MeshName, args: readonly string[]): Promise<unknown> {
    const { exitCode, stdout, stderr } = await this.verb(mesh, [...args, '--output', 'json']);
    check(exitCode === 0, `"federate ${args.join(' ')}" succeeds; its output: ${stderr || stdout}`);
    return JSON.parse(stdout);
  }

  /** `federate add` of the other mesh at the agent of `mesh`, with the proof given in `args`. */
  async add(mesh: MeshName, args: readonly string[]): Promise<void> {
    const { ports } = this.layout;
    const [port, trustDomain, endpointId] =
      mesh === 'istio'
        ? [ports.consulEndpoint, names.consul, names.consulAgentId]
        : [ports.istioEndpoint, names.istio, names.istioAgentId];
    const peer = ['--peer', `https://127.0.0.1:${port}/`, '--trust-domain', trustDomain];
    await this.ask(mesh, ['add', ...peer, '--profile', 'https_spiffe', '--endpoint-id', endpointId, ...args]);
  }

  /** Returns the pin of a mesh's own bundle, as its operator would send it to a peer. */
  async pinOf(mesh: MeshName): Promise<string> {
    const status = await this.ask(mesh, ['status']);
    const own = typeof status === 'object' && status !== null && 'own' in status ? status.own : undefined;
    const pin = typeof own === 'object' && own !== null && 'pin' in own ? own.pin : undefined;
    check(typeof pin === 'string', 'the status of a ready agent contains a pin');
    return pin;
  }

  /** One call of the backend to info, by way of both sidecars and both gateways. */
  async call(): Promise<CallOutcome> {
    const { body } = await httpGet(`http://127.0.0.1:${this.layout.ports.backend}/weather`);
    return outcomeIn(body);
  }

  async stopAgent(mesh: MeshName): Promise<void> {
    await this.#processes.get(`${mesh}/agent`)?.stop();
    this.#processes.delete(`${mesh}/agent`);
  }

  startAgent(mesh: MeshName): void {
    this.#run(mesh, 'agent', ['agent']);
  }

  logFile(mesh: MeshName, name: string): string {
    return this.layout[mesh](`${name}.log`);
  }

  checkRunning(): void {
    for (const process of this.#processes.values()) process.checkRunning();
  }

  /** Kills every process at once, when a wait is not possible. */
  end(): void {
    for (const process of this.#processes.values()) process.signal('SIGTERM');
  }

  /** Ends every process, workloads first. */
  async stop(): Promise<void> {
    const all = [...this.#processes.values()].reverse();
    this.#processes.clear();
    await Promise.all(all.map((process) => process.stop()));
  }

  #run(mesh: MeshName, name: string, args: readonly string[]): void {
    const config = this.layout[mesh](`${name}.yaml`);
    const standIn = this.#standIns.get(`${mesh}/${name}`);
    const logFile = this.logFile(mesh, name);
    const process = standIn
      ? new FederateProcess(`${mesh}/${name}`, standIn.slice(1), logFile, standIn[0])
      : new FederateProcess(`${mesh}/${name}`, [...args, '--config', config], logFile);
    this.#processes.set(join(mesh, name), process);
  }
}

function outcomeIn(body: unknown): CallOutcome {
  if (typeof body !== 'object' || body === null) return {};
  if ('remark' in body && isRemark(body.remark)) return { remark: body.remark };
  if ('remarkMissing' in body && isReason(body.remarkMissing)) return { missing: body.remarkMissing };
  return {};
}

function isRemark(value: unknown): value is { text: string; caller: string } {
  return typeof value === 'object' && value !== null && 'text' in value && 'caller' in value;
}

function isReason(value: unknown): value is { code: string; message: string } {
  return typeof value === 'object' && value !== null && 'code' in value && 'message' in value;
}
