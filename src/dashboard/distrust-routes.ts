import type { Hono } from 'hono';
import { z } from 'zod';
import { actorOf, dropUndefined, MAX_REASON_CHARACTERS, readBody } from './admin-request.ts';
import type {
  DistrustDocument,
  DistrustedDocument,
  DistrustedKeyDocument,
  TrustAgainDocument,
} from '../admin-client/index.ts';

/** What the running agent does about single keys. */
export interface DistrustServices {
  distrusted(): readonly DistrustedKeyDocument[];
  distrust(request: DistrustDocument, actor: string): Promise<DistrustedDocument>;
  trustAgain(request: TrustAgainDocument, actor: string): Promise<DistrustedKeyDocument>;
}

const key = {
  trust_domain: z.string(),
  key: z.string().min(1).max(2048),
  reason: z.string().max(MAX_REASON_CHARACTERS).optional(),
};
const trustAgainRequest = z.strictObject(key);
const distrustRequest = z.strictObject({
  ...key,
  until: z.iso.datetime({ offset: true }).optional(),
  even_the_last: z.boolean().optional(),
  even_our_own_svid: z.boolean().optional(),
});

/** `GET` and `POST /v1/distrusted`, `POST /v1/trusted-again`. */
export function addDistrustRoutes(app: Hono, services: DistrustServices): void {
  app.get('/v1/distrusted', (context) => context.json(services.distrusted()));
  app.post('/v1/distrusted', async (context) => {
    const request: DistrustDocument = dropUndefined(await readBody(context, distrustRequest));
    return context.json(await services.distrust(request, actorOf(context)), 201);
  });
  app.post('/v1/trusted-again', async (context) => {
    const request: TrustAgainDocument = dropUndefined(await readBody(context, trustAgainRequest));
    return context.json(await services.trustAgain(request, actorOf(context)));
  });
}
