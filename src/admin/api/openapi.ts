import { z } from 'zod';
import type { Routes } from './route.ts';

export const openapiRoutes = {
  'GET /v1/openapi.json': {
    summary: 'This contract as an OpenAPI 3.1 document.',
    role: 'viewer',
    answer: z.looseObject({ openapi: z.string() }),
    errors: [],
  },
} as const satisfies Routes;
