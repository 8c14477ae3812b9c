import { type Context, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { z } from 'zod';
import { describeError, type Log } from '../platform/index.ts';
import { CodedError } from '../errors/index.ts';
import { parseTrustDomain, type TrustDomain } from '../spiffe/index.ts';
import { type Relationship, type Store, StoreError } from '../store/index.ts';
import type {
  AddDocument,
  BundleSetDocument,
  ChangeDocument,
  DiffDocument,
  ProblemDocument,
  LeftOutDocument,
  RefreshDocument,
  RelationshipDocument,
  RemovedDocument,
  SetBundleDocument,
  StandingDocument,
  StatusDocument,
  VerifyDocument,
  VerifyJwtDocument,
  WarningDocument,
} from '../admin-client/index.ts';
import {
  actorOf,
  AdminError,
  countFrom,
  dropUndefined,
  instantFrom,
  MAX_REASON_CHARACTERS,
  readBody,
} from './admin-request.ts';
import { addDistrustRoutes, type DistrustServices } from './distrust-routes.ts';
import { addRotationRoutes, type RotationServices } from './rotation-routes.ts';
import { addInvitationRoutes, type InvitationServices } from './invitation-routes.ts';
import { addHistoryRoutes, type HistoryServices } from './history-routes.ts';
import { addReviewRoutes, type ReviewServices } from './review-routes.ts';
import {
  describeBundle,
  describeChanged,
  describeEvent,
  describeIncident,
  describeRelationship,
  describeVersion,
} from './describe.ts';
import type { InMeshDocument, OutOfMeshDocument } from '../admin-client/index.ts';
import { logOperatorActions } from './operator-actions.ts';
import { addSignedBundleRoutes, type SignedBundleServices } from './signed-bundle-routes.ts';
import { addUnrecordedRoutes, type UnrecordedServices } from './unrecorded-routes.ts';

/** What the running agent does for the admin API; everything else is read from the store. */
export interface AdminServices
  extends DistrustServices,
    HistoryServices,
    InvitationServices,
    ReviewServices,
    RotationServices,
    SignedBundleServices,
    UnrecordedServices {
  readonly store: Store;
  readonly log: Log;
  status(): Promise<StatusDocument>;
  /** What needs an operator's hand now. */
  warnings(): Promise<readonly WarningDocument[]>;
  endpoints(trustDomain: TrustDomain): RelationshipDocument['endpoints'];
  theirSide(trustDomain: TrustDomain): RelationshipDocument['their_side'];
  /** The relationship as the agent goes by it, which is newer than the store's; undefined where none is polled. */
  standing(trustDomain: TrustDomain): Relationship | undefined;
  /** Every relationship, by trust domain, for the time in which the store cannot be read. */
  standings(): readonly Relationship[];
  /** How many roots and JWT keys of a peer count now; undefined where none is polled. */
  countingAuthorities(trustDomain: TrustDomain): number | undefined;
  inMesh(trustDomain: TrustDomain): InMeshDocument | null;
  /** Which entries of a peer's bundle are not used. */
  leftOut(trustDomain: TrustDomain): readonly LeftOutDocument[];
  /** What the peer has proved that it holds of our bundle. */
  peerHolds(trustDomain: TrustDomain): RelationshipDocument['peer_holds'];
  add(request: AddDocument, actor: string): Promise<StandingDocument>;
  change(trustDomain: TrustDomain, request: ChangeDocument, actor: string): Promise<StandingDocument>;
  /** Ends a relationship; what the mesh still has of it after a few seconds is in the answer. */
  remove(trustDomain: TrustDomain, actor: string, reason: string): Promise<OutOfMeshDocument>;
  setBundle(trustDomain: TrustDomain, request: SetBundleDocument, actor: string): Promise<BundleSetDocument>;
  refresh(
    trustDomain: TrustDomain | undefined,
    override: { actor: string } | undefined,
  ): Promise<RefreshDocument[]>;
  verify(pem: string, peerRole: 'client' | 'server'): Promise<VerifyDocument>;
  verifyJwt(token: string, audiences: readonly string[]): Promise<VerifyJwtDocument>;
  renderMetrics(): Promise<string>;
  /** Why the agent is not ready, for `/readyz`. */
  notReady(): string | undefined;
}

const NOT_FOUND_CODES: ReadonlySet<string> = new Set([
  'not-federated',
  'no-bundle',
  'no-such-version',
  'no-such-invitation',
  'no-unrecorded-trust',
]);
const MAX_BODY_BYTES = 2 * 1024 * 1024;

const moreUrls = z.array(z.string()).max(100).optional();
const policy = z.enum(['auto', 'ask-on-dangerous', 'ask-always']).optional();
const seconds = z.int().positive();

const addRequest = z.strictObject({
  trust_domain: z.string(),
  endpoint_url: z.string(),
  profile: z.enum(['https_web', 'https_spiffe', 'signed_bundle']),
  endpoint_id: z.string().optional(),
  signer_id: z.string().optional(),
  bundle: z.string().optional(),
  pin: z.string().optional(),
  web_pki: z.boolean().optional(),
  from_mesh: z.boolean().optional(),
  ca_pem: z.string().optional(),
  more_endpoint_urls: moreUrls,
  policy,
  stale_after_seconds: seconds.optional(),
  even_foreign_keys: z.boolean().optional(),
}) satisfies z.ZodType<unknown>;

const changeRequest = z.strictObject({
  endpoint_url: z.string().optional(),
  profile: z.enum(['https_web', 'https_spiffe', 'signed_bundle']).optional(),
  endpoint_id: z.string().optional(),
  signer_id: z.string().optional(),
  ca_pem: z.string().nullable().optional(),
  more_endpoint_urls: moreUrls,
  policy,
  stale_after_seconds: seconds.nullable().optional(),
  reason: z.string().max(MAX_REASON_CHARACTERS).optional(),
}) satisfies z.ZodType<unknown>;

const setBundleRequest = z.strictObject({
  document: z.string(),
  name: z.string().min(1).max(MAX_REASON_CHARACTERS),
  reason: z.string().max(MAX_REASON_CHARACTERS).optional(),
}) satisfies z.ZodType<unknown>;

const verifyRequest = z.strictObject({ pem: z.string(), peer_role: z.enum(['client', 'server']) });
const verifyJwtRequest = z.strictObject({
  token: z.string(),
  audiences: z.array(z.string().min(1)).min(1).max(100),
});
const refreshRequest = z.strictObject({
  trust_domain: z.string().optional(),
  accept_once: z.boolean().optional(),
});

/** What the store says, or `instead` while it cannot be read; the warnings say then that it cannot. */
async function read<Result>(ask: () => Promise<Result>, instead: () => Result): Promise<Result> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof StoreError) return instead();
    throw error;
  }
}

/** The admin API. Errors answer with `{ code, message }`: 404 for what is not there, 409 for what is refused, 400 for a bad request. */
export function createAdminRoutes(services: AdminServices): Hono {
  const { store } = services;
  const app = new Hono();
  app.use(logOperatorActions(services.log));
  app.use(
    bodyLimit({
      maxSize: MAX_BODY_BYTES,
      onError: (context) =>
        problem(context, 413, 'request-too-large', `a request has at most ${MAX_BODY_BYTES} bytes`),
    }),
  );

  app.get('/v1/status', async (context) => context.json(await services.status()));
  app.get('/metrics', async (context) => context.text(await services.renderMetrics()));

  app.get('/v1/relationships', async (context) => {
    const versions = await read(
      () => store.currentAll(),
      () => [],
    );
    const held = new Map(versions.map((version) => [version.trustDomain, version]));
    const relationships = await read(
      () => store.relationships(),
      () => services.standings(),
    );
    const warnings = await services.warnings();
    return context.json(
      relationships.map((each) =>
        describeRelationship(
          services.standing(each.trustDomain) ?? each,
          held.get(each.trustDomain),
          services,
          warnings,
        ),
      ),
    );
  });

  app.get('/v1/relationships/:name', async (context) => {
    const name = parseTrustDomain(context.req.param('name'));
    const relationship = await read(
      () => store.relationship(name),
      () => services.standing(name),
    );
    if (!relationship) return problem(context, 404, 'not-federated', `there is no relationship with ${name}`);
    return context.json(
      describeRelationship(
        services.standing(name) ?? relationship,
        await read(
          () => store.current(name),
          () => undefined,
        ),
        services,
        await services.warnings(),
      ),
    );
  });

  app.post('/v1/relationships', async (context) => {
    const request: AddDocument = dropUndefined(await readBody(context, addRequest));
    return context.json(await services.add(request, actorOf(context)), 201);
  });

  app.patch('/v1/relationships/:name', async (context) => {
    const name = parseTrustDomain(context.req.param('name'));
    const request: ChangeDocument = dropUndefined(await readBody(context, changeRequest));
    return context.json(await services.change(name, request, actorOf(context)));
  });

  app.delete('/v1/relationships/:name', async (context) => {
    const name = parseTrustDomain(context.req.param('name'));
    const reason = context.req.query('reason') ?? 'removed by the operator';
    const answer: RemovedDocument = {
      trust_domain: name,
      removed: true,
      ...(await services.remove(name, actorOf(context), reason)),
    };
    return context.json(answer);
  });

  app.post('/v1/refresh', async (context) => {
    const request = await readBody(context, refreshRequest);
    const name = request.trust_domain === undefined ? undefined : parseTrustDomain(request.trust_domain);
    const override = request.accept_once === true ? { actor: actorOf(context) } : undefined;
    return context.json(await services.refresh(name, override));
  });

  app.get('/v1/bundles', async (context) => context.json((await store.currentAll()).map(describeBundle)));

  app.get('/v1/bundles/:name', async (context) => {
    const name = parseTrustDomain(context.req.param('name'));
    const at = context.req.query('at');
    const version =
      at === undefined ? await store.current(name) : await store.bundleAt(name, instantFrom(at));
    if (!version)
      throw new AdminError(
        'no-bundle',
        `there ${at === undefined ? 'is' : 'was'} no bundle of ${name}${at === undefined ? '' : ` at ${at}`}`,
      );
    return context.json({
      ...describeBundle(version),
      left_out: at === undefined ? services.leftOut(name) : [],
    });
  });

  app.put('/v1/bundles/:name', async (context) => {
    const name = parseTrustDomain(context.req.param('name'));
    const request: SetBundleDocument = dropUndefined(await readBody(context, setBundleRequest));
    return context.json(await services.setBundle(name, request, actorOf(context)));
  });

  app.get('/v1/bundles/:name/history', async (context) => {
    const name = parseTrustDomain(context.req.param('name'));
    const limit = countFrom(context.req.query('limit'));
    return context.json({
      trust_domain: name,
      versions: (await store.versionLines(name, { limit })).map(describeVersion),
      incidents: (await store.incidents({ trustDomain: name, offers: false, limit })).map(describeIncident),
      events: (await store.events({ trustDomain: name, limit })).map(describeEvent),
    });
  });

  app.get('/v1/bundles/:name/diff', async (context) => {
    const name = parseTrustDomain(context.req.param('name'));
    return context.json(await diffOf(store, name, context.req.query('from'), context.req.query('to')));
  });

  app.post('/v1/verify', async (context) => {
    const { pem, peer_role: peerRole } = await readBody(context, verifyRequest);
    return context.json(await services.verify(pem, peerRole));
  });

  app.post('/v1/verify-jwt', async (context) => {
    const { token, audiences } = await readBody(context, verifyJwtRequest);
    return context.json(await services.verifyJwt(token, audiences));
  });

  addDistrustRoutes(app, services);
  addUnrecordedRoutes(app, services);
  addRotationRoutes(app, services);
  addSignedBundleRoutes(app, services);
  addInvitationRoutes(app, services);
  addHistoryRoutes(app, services);
  addReviewRoutes(app, services);

  app.notFound((context) =>
    problem(context, 404, 'not-found', `the admin API has no ${context.req.method} ${context.req.path}`),
  );
  app.onError((error, context) => {
    if (error instanceof CodedError) {
      const status = NOT_FOUND_CODES.has(error.code) ? 404 : error instanceof AdminError ? 400 : 409;
      return problem(context, status, error.code, sentenceOf(error));
    }
    services.log.error('admin request failed', { path: context.req.path, error: describeError(error) });
    return problem(
      context,
      500,
      'internal',
      'the agent failed in a way it did not expect; its log has the details',
    );
  });
  return app;
}

async function diffOf(
  store: Store,
  name: TrustDomain,
  from: string | undefined,
  to: string | undefined,
): Promise<DiffDocument> {
  const [newest] = await store.versionLines(name, { limit: 1 });
  if (!newest) throw new AdminError('no-bundle', `there is no history of ${name}`);
  const lineAt = async (number: number) => {
    const [line] = await store.versionLines(name, { limit: 1, before: number + 1 });
    return line?.number === number ? line : undefined;
  };
  const find = async (number: number) => {
    const line = await lineAt(number);
    if (!line)
      throw new AdminError(
        'no-such-version',
        `there is no version ${number} of ${name}, the newest is ${newest.number}`,
      );
    return line;
  };
  const after = to === undefined ? newest : await find(countFrom(to));
  const keysOf = (version: typeof newest) => [...version.diff.kept, ...version.diff.added];
  const before = from === undefined ? await lineAt(after.number - 1) : await find(countFrom(from));
  const had = new Map((before ? keysOf(before) : []).map((key) => [key.fingerprint, key]));
  const has = new Map(keysOf(after).map((key) => [key.fingerprint, key]));
  return {
    trust_domain: name,
    from: before?.number ?? null,
    to: after.number,
    added: [...has.values()].filter((key) => !had.has(key.fingerprint)).map(describeChanged),
    removed: [...had.values()].filter((key) => !has.has(key.fingerprint)).map(describeChanged),
    kept: [...has.values()].filter((key) => had.has(key.fingerprint)).map(describeChanged),
  };
}

/** The whole story in one sentence: what failed, then each cause. */
function sentenceOf(error: Error): string {
  const parts = [error.message];
  for (let cause = error.cause; cause instanceof Error && parts.length < 6; cause = cause.cause) {
    if (!parts.some((part) => part.includes(cause instanceof Error ? cause.message : '')))
      parts.push(cause.message);
  }
  // Messages of OpenSSL end with a line end.
  return parts.map((part) => part.trimEnd()).join(': ');
}

function problem(context: Context, status: 400 | 404 | 409 | 413 | 500, code: string, message: string) {
  const body: ProblemDocument = { code, message };
  return context.json(body, status);
}
