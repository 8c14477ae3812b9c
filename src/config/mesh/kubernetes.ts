import { z } from 'zod';
import { path } from '../fields.ts';

/** How a mesh in Kubernetes is reached. */
export const kubernetes = {
  kubeconfig: path()
    .optional()
    .describe('Kubeconfig file; without it the in-cluster service account is used.'),
  context: z.string().optional().describe('Context of the kubeconfig; without it the current one.'),
};
