import type { IdentityDocument } from '../../admin-client/index.ts';
import { createFileSvidSource, type SvidSource } from '../../mtls/index.ts';
import {
  createSdsSvidSource,
  createWorkloadSvidSource,
  resolveEndpointAddress,
  SdsClient,
  WorkloadX509Client,
} from '../../workload-api/index.ts';
import type { Clock } from '../../platform/index.ts';
import type { SvidConfig } from '../config/svid-config.ts';
import { resolvePath } from '../config/fields.ts';
import type { ProcessContext, RunningPart } from '../process.ts';

/** The agent's own SVID, kept new until it is stopped. */
export interface OwnSvid extends RunningPart {
  readonly svid: SvidSource;
  /** Where it comes from and how it stands. */
  describe(): IdentityDocument;
}

/**
 * Our SVID from where the config says. Rejects with `MtlsError` `svid-invalid` for files that cannot be used, and with
 * `WorkloadApiError` `endpoint-address-missing`, `endpoint-address-invalid`; what comes from a socket may come later.
 */
export async function openSvid(
  config: SvidConfig,
  folder: string,
  context: ProcessContext,
): Promise<OwnSvid> {
  const { clock, log, random } = context;
  if ('workload_api' in config) {
    const address = resolveEndpointAddress(config.workload_api, context.environment);
    const own = { clock, random, log: log.with({ part: 'svid' }) };
    const client = new WorkloadX509Client({ address, ...own });
    const { spiffe_id: spiffeId, hint } = config;
    const choice = { ...(spiffeId && { spiffeId }), ...(hint !== undefined && { hint }) };
    const svid = createWorkloadSvidSource(client, choice, own);
    client.start();
    return {
      svid,
      describe: () =>
        describeSvid('workload-api', address.uri, svid, client.problem ?? expiryOf(svid, clock)),
      stop: async () => {
        svid.stop();
        await client.stop();
      },
    };
  }
  if ('sds_socket' in config) {
    const socketPath = resolvePath(folder, config.sds_socket);
    const client = new SdsClient({
      socketPath,
      resourceNames: [config.resource],
      nodeId: 'federate-agent',
      clock,
      random,
      log: log.with({ part: 'sds' }),
    });
    const svid = createSdsSvidSource(client, config.resource, log);
    client.start();
    return {
      svid,
      describe: () => describeSvid('sds', socketPath, svid, expiryOf(svid, clock)),
      stop: () => client.stop(),
    };
  }
  const certificateFile = resolvePath(folder, config.certificate_file);
  const svid = await createFileSvidSource({
    certificateFile,
    keyFile: resolvePath(folder, config.key_file),
    clock,
    log: log.with({ part: 'svid' }),
  });
  return {
    svid,
    describe: () => describeSvid('files', certificateFile, svid, expiryOf(svid, clock)),
    stop: () => svid.stop(),
  };
}

interface SvidProblem {
  readonly code: string;
  readonly message: string;
}

/** An SVID that nobody renews stays what we show, and every peer refuses it. */
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
