import { z } from 'zod';
import { textsIn } from '../contract/answer.ts';
import { poll } from '../contract/poll.ts';
import { parseMeshTrust } from './mesh-trust.ts';
import type { MeshTrusts } from './mesh-trusts.ts';
import type { KumaRestApi } from './rest-api.ts';

const PLURAL = 'meshtrusts';
const WRITTEN = z.object({ warnings: textsIn }).catch({ warnings: [] });

/**
 * The MeshTrusts of a mesh by the control plane's REST API. It has no versions: the last writer of
 * a name wins.
 */
export function createRestMeshTrusts(api: KumaRestApi, pollMs: number): MeshTrusts {
  const list = async (signal: AbortSignal) =>
    (await api.list(PLURAL, signal)).map(({ name, labels, ...rest }) =>
      parseMeshTrust(name, labels ?? {}, rest),
    );
  return {
    list,
    put: async ({ name, labels, spec }, _before, signal) => {
      const answer = await api.put(PLURAL, name, { type: 'MeshTrust', labels, spec }, signal);
      return WRITTEN.parse(answer).warnings;
    },
    delete: ({ name }, signal) => api.delete(PLURAL, name, signal),
    follow: ({ onTrusts, onContact, ...rest }) =>
      poll({
        ...rest,
        everyMs: pollMs,
        look: async (signal) => {
          const trusts = await list(signal);
          onContact();
          onTrusts(trusts);
        },
      }),
  };
}
