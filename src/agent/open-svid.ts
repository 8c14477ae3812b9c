import type { IdentityDocument } from '../admin/index.ts';
import { createFileSvidSource, type SvidSource } from '../mtls/index.ts';
import {
  createSdsSvidSource,
  createWorkloadSvidSource,
  resolveEndpointAddress,
  SdsClient,
  WorkloadX509Client,
} from '../workload-api/index.ts';
import type { Clock, ProcessContext, RunningPart } from '../platform/index.ts';
import type { AgentConfig, SvidConfig } from '../config/index.ts';
import { defined } from '../objects/index.ts';

/** The agent's own SVID, kept new from its start until it is stopped. */
export interface OwnSvid extends RunningPart {
  readonly svid: SvidSource;
  /**
   * Starts to follow it. Rejects with `MtlsError` `svid-invalid` for unusable files; an SVID from a
   * socket may arrive later.
   */
  start(): Promise<void>;
  /** Its source and its state. */
  describe(): IdentityDocument;
}

/**
 * The SVID that the config names for the endpoint, or with `https_web` for the agent alone. Throws
 * as `createSvid` does.
 */
export function createOwnSvid(
  { endpoint, identity }: Pick<AgentConfig, 'endpoint' | 'identity'>,
  context: ProcessContext,
): OwnSvid | undefined {
  const config = endpoint.profile === 'https_spiffe' ? endpoint.svid : identity;
  return config && createSvid(config, context);
}

/**
 * Our SVID from the source in the config; undefined before `start`. Throws `WorkloadApiError`
 * `endpoint-address-missing`, `endpoint-address-invalid`.
 */
export function createSvid(config: SvidConfig, context: ProcessContext): OwnSvid {
  const { clock, log, random } = context;
  if ('workload_api' in config) {
    const address = resolveEndpointAddress(config.workload_api, context.environment);
    const own = { clock, random, log: log.with({ part: 'svid' }) };
    const client = new WorkloadX509Client({ address, ...own });
    const { spiffe_id: spiffeId, hint } = config;
    const choice = { ...(spiffeId && { spiffeId }), ...defined({ hint }) };
    const svid = createWorkloadSvidSource(client, choice, own);
    return {
      svid,
      start: async () => client.start(),
      describe: () =>
        describeSvid('workload-api', address.uri, svid, client.problem ?? expiryOf(svid, clock)),
      stop: async () => {
        svid.stop();
        await client.stop();
      },
    };
  }
  if ('sds_socket' in config) {
    const socketPath = config.sds_socket;
    const client = new SdsClient({
      socketPath,
      resourceNames: [config.resource],
      nodeId: 'federate-agent',
      clock,
      random,
      log: log.with({ part: 'sds' }),
    });
    const svid = createSdsSvidSource(client, config.resource, log);
    return {
      svid,
      start: async () => client.start(),
      describe: () => describeSvid('sds', socketPath, svid, expiryOf(svid, clock)),
      stop: () => client.stop(),
    };
  }
  const certificateFile = config.certificate_file;
  const svid = createFileSvidSource({
    certificateFile,
    keyFile: config.key_file,
    clock,
    log: log.with({ part: 'svid' }),
  });
  return {
    svid,
    start: () => svid.start(),
    describe: () => describeSvid('files', certificateFile, svid, expiryOf(svid, clock) ?? svid.problem()),
    stop: () => svid.stop(),
  };
}

interface SvidProblem {
  readonly code: string;
  readonly message: string;
}

/** We keep presenting an SVID that is not renewed, and every peer refuses it. */
function expiryOf(svid: SvidSource, clock: Clock): SvidProblem | undefined {
  const current = svid.current();
  if (!current || current.notAfter > clock.now()) return undefined;
  return { code: 'svid-expired', message: 'it has ended, and every peer refuses it: renew it' };
}

function describeSvid(
  source: IdentityDocument['source'],
  from: string,
  svid: SvidSource,
  problem: SvidProblem | undefined,
): IdentityDocument {
  const current = svid.current();
  return {
    source,
    from,
    id: current?.id ?? null,
    not_after: current?.notAfter.toISOString() ?? null,
    code: problem?.code ?? null,
    message: problem?.message ?? null,
  };
}
