import { z } from 'zod';

/** The prefix of the names of those objects in the mesh that belong to the agent. */
export const namePrefix = (description: string) =>
  z
    .string()
    .regex(
      /^[a-z0-9][a-z0-9-]{0,31}$/,
      'a prefix is up to 32 letters, digits and hyphens, and begins with a letter or digit',
    )
    .default('federate-')
    .describe(description);

/** The same, where a label of ours must also be on the object. */
export const labelledNamePrefix = (what: string) =>
  namePrefix(`${what} whose name begins with this and that carry our label belong to the agent.`);
