import { z } from 'zod';
import { count } from './fields.ts';
import type { Routes } from './route.ts';

const compacted = z
  .object({
    store: z.string().describe("The file, on the agent's machine."),
    bytes_before: count.describe('The file and its log.'),
    bytes_after: count,
  })
  .meta({ id: 'Compacted', description: 'What writing the store again has gained.' });

export const storeRoutes = {
  'POST /v1/store/compact': {
    summary: 'Write the file of the store again without unused room; the agent stands still meanwhile.',
    role: 'admin',
    answer: compacted,
    errors: ['store-full'],
  },
} as const satisfies Routes;
