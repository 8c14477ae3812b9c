import { messageOf } from '../../../errors/index.ts';
import { type Clock, type Log, readRegularText, watchFiles } from '../../../platform/index.ts';
import { type AccessRule, judgeAccess, type Service } from '../../../services/index.ts';
import { parseSpiffeId } from '../../../spiffe/index.ts';
import type { AccessSource, JudgedRequest, RequestVerdict } from './access-source.ts';
import { readPolicyData } from './read-policy-data.ts';

const LOOK_EVERY_MS = 500;

interface PolicyFileOptions {
  readonly file: string;
  /** The ID of the service, and the name of its port. */
  readonly service: string;
  readonly port: string;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Rules from the file that an agent writes as data for OPA (`services.policy_file`). It stands in for
 * Envoy's ext_authz with an OPA next to it: the way of a mesh whose own rules cannot name every
 * caller, such as Consul. A bad file is reported, and the last good one stays.
 */
export class PolicyFile implements AccessSource {
  readonly #options: PolicyFileOptions;
  readonly #stopping = new AbortController();
  #watching: Promise<void> = Promise.resolve();
  #text: string | undefined;
  #services:
    | ReadonlyMap<string, { readonly service: Service; readonly rules: readonly AccessRule[] }>
    | undefined;

  constructor(options: PolicyFileOptions) {
    this.#options = options;
  }

  start(): void {
    const { file, clock } = this.#options;
    this.#watching = watchFiles({
      paths: [file],
      everyMs: LOOK_EVERY_MS,
      clock,
      signal: this.#stopping.signal,
      look: () => this.#look(),
    });
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#watching;
  }

  judge({ caller, method, path, headers }: JudgedRequest): RequestVerdict {
    if (!this.#services) return { allowed: false, code: 'mesh-silent' };
    const policy = this.#services.get(this.#options.service);
    if (!policy) return { allowed: false, code: 'access-denied' };
    const { port } = this.#options;
    const texts = Object.fromEntries(
      Object.entries(headers).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
    );
    const verdict = judgeAccess(policy, {
      caller: parseSpiffeId(caller),
      port,
      method,
      path,
      headers: texts,
    });
    if (verdict.allowed) return { allowed: true };
    if (verdict.code === 'path-ambiguous') return { allowed: false, code: verdict.code };
    return { allowed: false, code: 'access-denied', ...('rule' in verdict && { rule: verdict.rule }) };
  }

  async #look(): Promise<void> {
    const { file, log } = this.#options;
    try {
      const text = await readRegularText(file);
      if (text === this.#text) return;
      this.#services = readPolicyData(text);
      this.#text = text;
      log.info('access rules read', { file, services: this.#services.size });
    } catch (error) {
      if (this.#services === undefined) log.debug('no access rules yet', { file, reason: messageOf(error) });
      else log.error('access rules not usable, the old ones stay', { file, error });
    }
  }
}
