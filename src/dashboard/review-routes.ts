import type { Hono } from 'hono';
import { z } from 'zod';
import { parseTrustDomain, type TrustDomain } from '../spiffe/index.ts';
import { actorOf, dropUndefined, MAX_REASON_CHARACTERS, readBody } from './admin-request.ts';
import type { DecidedDocument, DecisionDocument, ReviewDocument } from '../admin-client/index.ts';

/** What the running agent does about offers that wait. */
export interface ReviewServices {
  review(trustDomain: TrustDomain | undefined): Promise<ReviewDocument>;
  decide(trustDomain: TrustDomain, decision: DecisionDocument, actor: string): Promise<DecidedDocument>;
}

const decisionRequest = z.strictObject({
  decision: z.enum(['accept', 'reject', 'reconsider']),
  digest: z
    .string()
    .regex(/^(?:sha256:)?[0-9a-f]{6,64}$/, 'a digest is told by 6 to 64 hex digits')
    .optional(),
  reason: z.string().min(1).max(MAX_REASON_CHARACTERS),
});

/** `GET /v1/offers`, `GET` and `POST /v1/offers/{trust domain}`. */
export function addReviewRoutes(app: Hono, services: ReviewServices): void {
  app.get('/v1/offers', async (context) => context.json(await services.review(undefined)));
  app.get('/v1/offers/:name', async (context) =>
    context.json(await services.review(parseTrustDomain(context.req.param('name')))),
  );
  app.post('/v1/offers/:name', async (context) => {
    const name = parseTrustDomain(context.req.param('name'));
    const { digest, ...rest } = dropUndefined(await readBody(context, decisionRequest));
    const decision = digest === undefined ? rest : { ...rest, digest: digest.replace(/^sha256:/, '') };
    return context.json(await services.decide(name, decision, actorOf(context)));
  });
}
