import type { Hono } from 'hono';
import type { RotationDocument } from '../admin-client/index.ts';

/** What the running agent tells of the rotation of its own roots. */
export interface RotationServices {
  rotation(): Promise<RotationDocument>;
}

/** `GET /v1/rotation`. */
export function addRotationRoutes(app: Hono, services: RotationServices): void {
  app.get('/v1/rotation', async (context) => context.json(await services.rotation()));
}
