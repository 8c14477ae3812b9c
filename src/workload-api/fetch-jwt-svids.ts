import { type ServiceError, status } from '@grpc/grpc-js';
import { type JwtSvidResponse, spiffeWorkloadService } from '../grpc/index.ts';
import { CodedError, readUnprovenJwtSvid, type SpiffeId, type UnprovenJwtSvid } from '../spiffe/index.ts';
import type { EndpointAddress } from './endpoint-address.ts';
import { WorkloadApiError } from './errors.ts';
import { describeStatus, openWorkloadClient, workloadMetadata } from './workload-call.ts';

/** A JWT-SVID of ours, to be presented as a bearer token. */
export interface FetchedJwtSvid extends UnprovenJwtSvid {
  /** The token, in compact serialization. A secret until it expires. */
  readonly token: string;
  /** Its hint, which identifies it to operators; empty where there is none. */
  readonly hint: string;
}

export interface JwtSvidQuery {
  /** For whom the token is: at least one, none empty. */
  readonly audiences: readonly string[];
  /** Which of our identities; default all of them. */
  readonly spiffeId?: SpiffeId;
}

/**
 * Asks a Workload API for JWT-SVIDs of ours (`FetchJWTSVID`), at least one, the default identity
 * first. Rejects with `WorkloadApiError` `permission-denied`, `refused`, `unavailable`,
 * `message-malformed`; with the signal's reason when it aborts.
 */
export async function fetchJwtSvids(
  address: EndpointAddress,
  { audiences, spiffeId }: JwtSvidQuery,
  { now, signal }: { readonly now: () => Date; readonly signal: AbortSignal },
): Promise<FetchedJwtSvid[]> {
  if (audiences.length === 0 || audiences.includes(''))
    throw new TypeError('a JWT-SVID is for at least one audience, and none is empty');
  const { svids } = await call(address, { audience: audiences, spiffe_id: spiffeId ?? '' }, signal);
  if (svids.length === 0) throw new WorkloadApiError('message-malformed', 'it has no JWT-SVID');
  return svids.map(({ spiffe_id: id, svid: token, hint }) => {
    const read = attempt(() => readUnprovenJwtSvid(token, { now: now(), audiences }));
    if (read.id !== id)
      throw new WorkloadApiError('message-malformed', `its ID is ${id}, but its token has ${read.id}`);
    if (spiffeId !== undefined && read.id !== spiffeId)
      throw new WorkloadApiError('message-malformed', `it has a JWT-SVID of ${id}, not of ${spiffeId}`);
    return { ...read, token, hint };
  });
}

function attempt<Result>(read: () => Result): Result {
  try {
    return read();
  } catch (cause) {
    if (!(cause instanceof CodedError)) throw cause;
    throw new WorkloadApiError('message-malformed', `the JWT-SVID cannot be used: ${cause.message}`, {
      cause,
    });
  }
}

function call(
  address: EndpointAddress,
  request: { readonly audience: readonly string[]; readonly spiffe_id: string },
  signal: AbortSignal,
): Promise<JwtSvidResponse> {
  signal.throwIfAborted();
  const { path, requestSerialize, responseDeserialize } = spiffeWorkloadService.FetchJWTSVID;
  const client = openWorkloadClient(address);
  return new Promise<JwtSvidResponse>((resolve, reject) => {
    const sent = client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      workloadMetadata(),
      (error, response) => {
        signal.removeEventListener('abort', onAbort);
        if (signal.aborted) reject(signal.reason);
        else if (response) resolve(response);
        else reject(failure(address, error));
      },
    );
    const onAbort = () => sent.cancel();
    signal.addEventListener('abort', onAbort, { once: true });
  }).finally(() => client.close());
}

function failure({ uri }: EndpointAddress, error: ServiceError | null): WorkloadApiError {
  const code = error?.code ?? status.UNKNOWN;
  const why = describeStatus(code, error?.details ?? '');
  const cause = error ?? undefined;
  if (code === status.PERMISSION_DENIED)
    return new WorkloadApiError('permission-denied', `the Workload API ${uri} gives us no JWT-SVID: ${why}`, {
      cause,
    });
  if (code === status.INVALID_ARGUMENT || code === status.UNIMPLEMENTED)
    return new WorkloadApiError('refused', `the Workload API ${uri} refuses the request: ${why}`, { cause });
  return new WorkloadApiError('unavailable', `the Workload API ${uri} does not answer: ${why}`, { cause });
}
