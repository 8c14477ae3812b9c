import { request } from 'node:http';
import { CodedError } from '../errors/index.ts';
import type { DecidedDocument, DecisionDocument, ReviewDocument } from './review-documents.ts';
import type {
  DistrustDocument,
  DistrustedDocument,
  DistrustedKeyDocument,
  TrustAgainDocument,
} from './distrust-documents.ts';
import type {
  HeadDocument,
  HistoryPlaceDocument,
  LinkDocument,
  StoryDocument,
  StoryQuery,
  TrustedAtDocument,
} from './history-documents.ts';
import type {
  AddDocument,
  BundleDocument,
  BundleSetDocument,
  ChangeDocument,
  DiffDocument,
  HistoryDocument,
  RefreshDocument,
  RelationshipDocument,
  RemovedDocument,
  SetBundleDocument,
  StandingDocument,
  StatusDocument,
  VerifyDocument,
  VerifyJwtDocument,
} from './admin-documents.ts';
import type { SignedBundleDocument } from './signed-bundle-document.ts';
import type { UnrecordedTrustDocument } from './unrecorded-trust-document.ts';

import type { InvitationDocument, InviteDocument, InvitedDocument } from './invitation-documents.ts';
import type { RotationDocument } from './rotation-documents.ts';

/** Nobody answered on the admin socket; or what the agent answered is the agent's own error, with its own code. */
export class AdminClientError extends CodedError {}

const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

/** What the `federate` command asks a running agent. Every method throws `AdminClientError`: `agent-unreachable`, or the agent's code. */
export interface AdminClient {
  status(): Promise<StatusDocument>;
  relationships(): Promise<RelationshipDocument[]>;
  relationship(trustDomain: string): Promise<RelationshipDocument>;
  add(document: AddDocument): Promise<StandingDocument>;
  change(trustDomain: string, document: ChangeDocument): Promise<StandingDocument>;
  remove(trustDomain: string, reason: string | undefined): Promise<RemovedDocument>;
  refresh(trustDomain: string | undefined, acceptOnce: boolean): Promise<RefreshDocument[]>;
  bundles(): Promise<BundleDocument[]>;
  bundle(trustDomain: string, at: string | undefined): Promise<BundleDocument>;
  /** Our bundle with our signature, good for so many seconds at the most. */
  signBundle(lifetimeSeconds: number): Promise<SignedBundleDocument>;
  setBundle(trustDomain: string, document: SetBundleDocument): Promise<BundleSetDocument>;
  history(trustDomain: string, limit: number | undefined): Promise<HistoryDocument>;
  diff(trustDomain: string, from: string | undefined, to: string | undefined): Promise<DiffDocument>;
  verify(pem: string, peerRole: 'client' | 'server'): Promise<VerifyDocument>;
  verifyJwt(token: string, audiences: readonly string[]): Promise<VerifyJwtDocument>;
  story(wanted: StoryQuery): Promise<StoryDocument>;
  trustedAt(instant: string): Promise<TrustedAtDocument>;
  historyLinks(after: number, limit: number): Promise<LinkDocument[]>;
  historyHeads(of?: string): Promise<HeadDocument[]>;
  historyPlace(): Promise<HistoryPlaceDocument>;
  review(trustDomain: string | undefined): Promise<ReviewDocument>;
  decide(trustDomain: string, decision: DecisionDocument): Promise<DecidedDocument>;
  rotation(): Promise<RotationDocument>;
  distrusted(): Promise<DistrustedKeyDocument[]>;
  distrust(document: DistrustDocument): Promise<DistrustedDocument>;
  trustAgain(document: TrustAgainDocument): Promise<DistrustedKeyDocument>;
  unrecordedTrust(): Promise<UnrecordedTrustDocument[]>;
  dropUnrecordedTrust(trustDomain: string): Promise<RemovedDocument>;
  invite(document: InviteDocument): Promise<InvitedDocument>;
  invitations(): Promise<InvitationDocument[]>;
  cancelInvitation(id: string): Promise<InvitationDocument>;
  approveInvitation(wordsOrId: string): Promise<InvitationDocument>;
  takeInvitation(line: string): Promise<InvitationDocument>;
}

/** A client of the agent on the Unix socket `socketPath`; `operator` goes into the audit log, `timeoutMs` bounds each request. */
export function createAdminClient(options: {
  readonly socketPath: string;
  readonly operator: string;
  /** The user that the command runs as, where the operator called it by sudo. */
  readonly operatorAs?: string;
  readonly timeoutMs: number;
}): AdminClient {
  const ask = <Answer>(method: string, path: string, body?: unknown) =>
    askAgent<Answer>(options, method, path, body);
  const named = (trustDomain: string) => encodeURIComponent(trustDomain);
  return {
    status: () => ask('GET', '/v1/status'),
    relationships: () => ask('GET', '/v1/relationships'),
    relationship: (trustDomain) => ask('GET', `/v1/relationships/${named(trustDomain)}`),
    add: (document) => ask('POST', '/v1/relationships', document),
    change: (trustDomain, document) => ask('PATCH', `/v1/relationships/${named(trustDomain)}`, document),
    remove: (trustDomain, reason) =>
      ask('DELETE', `/v1/relationships/${named(trustDomain)}${query({ reason })}`),
    refresh: (trustDomain, acceptOnce) =>
      ask('POST', '/v1/refresh', {
        ...(trustDomain === undefined ? {} : { trust_domain: trustDomain }),
        ...(acceptOnce ? { accept_once: true } : {}),
      }),
    bundles: () => ask('GET', '/v1/bundles'),
    bundle: (trustDomain, at) => ask('GET', `/v1/bundles/${named(trustDomain)}${query({ at })}`),
    signBundle: (seconds) => ask('POST', '/v1/signed-bundle', { lifetime_seconds: seconds }),
    setBundle: (trustDomain, document) => ask('PUT', `/v1/bundles/${named(trustDomain)}`, document),
    history: (trustDomain, limit) =>
      ask('GET', `/v1/bundles/${named(trustDomain)}/history${query({ limit: limit?.toString() })}`),
    diff: (trustDomain, from, to) =>
      ask('GET', `/v1/bundles/${named(trustDomain)}/diff${query({ from, to })}`),
    verify: (pem, peerRole) => ask('POST', '/v1/verify', { pem, peer_role: peerRole }),
    verifyJwt: (token, audiences) => ask('POST', '/v1/verify-jwt', { token, audiences }),
    story: ({ limit, after, kinds, ...wanted }) =>
      ask(
        'GET',
        `/v1/history${query({ ...wanted, kinds: kinds?.join(','), after: after?.toString(), limit: limit.toString() })}`,
      ),
    trustedAt: (instant) => ask('GET', `/v1/history/at${query({ instant })}`),
    historyLinks: (after, limit) =>
      ask('GET', `/v1/history/links${query({ after: after.toString(), limit: limit.toString() })}`),
    historyHeads: (of) => ask('GET', `/v1/history/heads${query({ of })}`),
    historyPlace: () => ask('GET', '/v1/history/place'),
    review: (trustDomain) =>
      ask('GET', trustDomain === undefined ? '/v1/offers' : `/v1/offers/${named(trustDomain)}`),
    decide: (trustDomain, decision) => ask('POST', `/v1/offers/${named(trustDomain)}`, decision),
    rotation: () => ask('GET', '/v1/rotation'),
    distrusted: () => ask('GET', '/v1/distrusted'),
    distrust: (document) => ask('POST', '/v1/distrusted', document),
    trustAgain: (document) => ask('POST', '/v1/trusted-again', document),
    unrecordedTrust: () => ask('GET', '/v1/unrecorded-trust'),
    dropUnrecordedTrust: (trustDomain) => ask('DELETE', `/v1/unrecorded-trust/${named(trustDomain)}`),
    invite: (document) => ask('POST', '/v1/invitations', document),
    invitations: () => ask('GET', '/v1/invitations'),
    cancelInvitation: (id) => ask('DELETE', `/v1/invitations/${named(id)}`),
    approveInvitation: (wordsOrId) => ask('POST', '/v1/invitations/approve', { words_or_id: wordsOrId }),
    takeInvitation: (line) => ask('POST', '/v1/invitations/take', { line }),
  };
}

function query(parameters: Readonly<Record<string, string | undefined>>): string {
  const present = Object.entries(parameters).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  );
  return present.length === 0 ? '' : `?${new URLSearchParams(present).toString()}`;
}

function askAgent<Answer>(
  options: {
    readonly socketPath: string;
    readonly operator: string;
    readonly operatorAs?: string;
    readonly timeoutMs: number;
  },
  method: string,
  path: string,
  body: unknown,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const unreachable = (cause: Error) =>
      reject(
        new AdminClientError(
          'agent-unreachable',
          `asking the agent on ${options.socketPath} failed: ${cause.message}`,
          { cause },
        ),
      );
    const payload = body === undefined ? undefined : JSON.stringify(body);
    const call = request(
      {
        socketPath: options.socketPath,
        method,
        path,
        timeout: options.timeoutMs,
        headers: {
          'x-federate-operator': encodeURIComponent(options.operator),
          ...(options.operatorAs === undefined
            ? {}
            : { 'x-federate-operator-as': encodeURIComponent(options.operatorAs) }),
          ...(payload === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }),
        },
      },
      (response) => {
        const parts: Buffer[] = [];
        let length = 0;
        response.on('data', (part: Buffer) => {
          length += part.length;
          if (length > MAX_ANSWER_BYTES) call.destroy(new Error('its answer is too large'));
          else parts.push(part);
        });
        response.on('error', unreachable);
        response.on('end', () => settle(response.statusCode ?? 0, Buffer.concat(parts).toString('utf8')));
      },
    );
    const settle = (status: number, text: string) => {
      let answer: unknown;
      try {
        answer = JSON.parse(text);
      } catch (cause) {
        unreachable(new Error(`it answered ${status} with something that is not JSON`, { cause }));
        return;
      }
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- our own agent's documents, see admin-documents.ts
      if (status < 400) resolve(answer as Answer);
      else reject(problemFrom(status, answer));
    };
    call.on('timeout', () => call.destroy(new Error(`no answer within ${options.timeoutMs} ms`)));
    call.on('error', unreachable);
    call.end(payload);
  });
}

function problemFrom(status: number, answer: unknown): AdminClientError {
  if (typeof answer === 'object' && answer !== null && 'code' in answer && 'message' in answer) {
    return new AdminClientError(String(answer.code), String(answer.message));
  }
  return new AdminClientError('agent-unreachable', `the agent answered ${status} without saying why`);
}
