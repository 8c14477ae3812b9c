import type { Hono } from 'hono';
import { z } from 'zod';
import { readBody } from './admin-request.ts';

/** Our bundle with our signature. */
export interface SignedBundleDocument {
  readonly trust_domain: string;
  readonly signer_id: string;
  /** When the signature ends: with the lifetime asked for, or with our SVID. */
  readonly expires_at: string;
  readonly token: string;
}

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
