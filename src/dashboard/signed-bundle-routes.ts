import type { Hono } from 'hono';
import { z } from 'zod';
import type { SignedBundleDocument } from '../admin-client/index.ts';
import { readBody } from './admin-request.ts';

export interface SignedBundleServices {
  signBundle(lifetimeSeconds: number): Promise<SignedBundleDocument>;
}

const MAX_LIFETIME_SECONDS = 366 * 24 * 60 * 60;
const signRequest = z.strictObject({ lifetime_seconds: z.int().min(60).max(MAX_LIFETIME_SECONDS) });

/** `POST /v1/signed-bundle`. */
export function addSignedBundleRoutes(app: Hono, services: SignedBundleServices): void {
  app.post('/v1/signed-bundle', async (context) => {
    const { lifetime_seconds: seconds } = await readBody(context, signRequest);
    return context.json(await services.signBundle(seconds));
  });
}
