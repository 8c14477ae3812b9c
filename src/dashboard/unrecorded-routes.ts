import type { Hono } from 'hono';
import { parseTrustDomain, type TrustDomain } from '../spiffe/index.ts';
import type { OutOfMeshDocument, RemovedDocument, UnrecordedTrustDocument } from '../admin-client/index.ts';
import { actorOf } from './admin-request.ts';

/** What the running agent does about trust without a record. */
export interface UnrecordedServices {
  unrecordedTrust(): readonly UnrecordedTrustDocument[];
  /** Takes it out of the mesh; what the mesh still has of it after a few seconds is the answer. */
  dropUnrecordedTrust(trustDomain: TrustDomain, actor: string): Promise<OutOfMeshDocument>;
}

/** `GET /v1/unrecorded-trust` and `DELETE /v1/unrecorded-trust/:name`. */
export function addUnrecordedRoutes(app: Hono, services: UnrecordedServices): void {
  app.get('/v1/unrecorded-trust', (context) => context.json(services.unrecordedTrust()));
  app.delete('/v1/unrecorded-trust/:name', async (context) => {
    const name = parseTrustDomain(context.req.param('name'));
    const answer: RemovedDocument = {
      trust_domain: name,
      removed: true,
      ...(await services.dropUnrecordedTrust(name, actorOf(context))),
    };
    return context.json(answer);
  });
}
