import { CodedError } from '../../spiffe/index.ts';

export type SidecarErrorCode =
  /** The SDS server has not given the trust yet. */
  | 'no-trust'
  /** A merged pool admits only listed trust domains, and the peer's is not one of them. */
  | 'trust-domain-not-accepted'
  | 'id-not-accepted'
  /** No path from the peer's SVID to any root of the merged pool. */
  | 'path-refused'
  | 'peer-not-authorized'
  /** The peer ended the connection before its first byte: it refused our SVID, or went away. */
  | 'peer-refused'
  /** The peer ended a connection that it had answered on before. */
  | 'peer-broke'
  /** The other side did not take the connection in time. */
  | 'connect-timeout'
  /** The answer was not there in time, retries included. */
  | 'request-timeout'
  /** Our server took a method, a path or a header that our client does not send. */
  | 'request-malformed'
  /** The upstream has no endpoint now. */
  | 'no-endpoint'
  /** The upstream has endpoints, and all of them are left out because they failed. */
  | 'no-usable-endpoint'
  /** The upstream has as many requests as it may have. */
  | 'max-requests-reached'
  /** The workload does not pass its health check. */
  | 'workload-unhealthy'
  /** The workload ended the connection, or takes none. */
  | 'workload-unreachable'
  /** The caller calls more often than it may. */
  | 'rate-limited'
  /** As many requests wait for a connection as may wait. */
  | 'max-pending-reached'
  /** The control plane has not reported its services and rules yet. */
  | 'mesh-silent'
  /** The service ends soon, and takes no new requests. */
  | 'service-draining'
  /** The mesh has no service of that name for this workload. */
  | 'service-unknown'
  /** The service has several ports and none was named, or not the named one. */
  | 'service-port-unknown'
  /** The caller is proved, and no rule of the mesh allows its request. */
  | 'access-denied'
  /** Rules look at paths, and servers read this path in several ways. */
  | 'path-ambiguous'
  /** The endpoint was taken out of the upstream while a connection to it was made. */
  | 'endpoint-removed'
  /** The answer has a status or headers that HTTP does not have. */
  | 'answer-malformed'
  /** The connection was idle for too long. */
  | 'peer-silent'
  /** A key file of signatures is missing, open to others, or not a key for its algorithm. */
  | 'signing-key-unusable'
  /** The request has no signature of a sidecar. */
  | 'signature-missing'
  /** The signature cannot be read, or is not of the form that we accept. */
  | 'signature-malformed'
  /** The signature covers too little, or does not state a parameter that it must have. */
  | 'signature-incomplete'
  | 'signature-key-unknown'
  | 'signature-algorithm-refused'
  /** The caller may not sign with that key. */
  | 'signature-key-not-of-caller'
  /** It would be valid for too long. */
  | 'signature-lifetime-refused'
  | 'signature-not-yet-valid'
  | 'signature-expired'
  /** It was not made of this request with that key. */
  | 'signature-invalid'
  | 'signature-replayed'
  /** So many signatures of a key have not expired yet that no more can be remembered. */
  | 'replay-memory-full'
  | 'content-digest-missing'
  | 'content-digest-malformed'
  | 'content-digest-mismatch'
  /** A content is larger than that of a signed request may be. */
  | 'content-too-large'
  /** The contents of all signed requests are as large as they may be. */
  | 'content-memory-full'
  | 'port-in-use'
  | 'listen-failed'
  | 'trust-malformed';

/** Why a sidecar did not make or admit a connection. */
export class SidecarError extends CodedError<SidecarErrorCode> {}
