import { z } from 'zod';
import { defined } from '../../objects/index.ts';
import type { Clock } from '../../platform/index.ts';
import { boundedList, readAnswer, readIfPossible, textsIn } from '../contract/answer.ts';
import { MeshAdapterError } from '../contract/errors.ts';
import { accessByFiles, JsonApi } from '../contract/json-api.ts';
import { poll } from '../contract/poll.ts';
import { type MeshTrust, parseMeshTrust } from './mesh-trust.ts';
import type { MeshTrusts } from './mesh-trusts.ts';

const PAGE_SIZE = 500;
const MAX_PAGES = 40;
const PAGE = z.object({
  items: boundedList(
    z.object({
      name: z.string(),
      labels: z.record(z.string(), z.string()).nullish(),
      spec: z.unknown().optional(),
      status: z.unknown().optional(),
    }),
  ),
  next: z.unknown().optional(),
});
const WRITTEN = z.object({ warnings: textsIn }).catch({ warnings: [] });
const REFUSAL = z.object({
  title: z.string().catch(''),
  detail: z.string().catch(''),
  invalid_parameters: z
    .array(z.object({ field: z.unknown().optional(), reason: z.unknown().optional() }))
    .catch([]),
});

/** Where the control plane's REST API is, and who we are to it. */
export interface KumaRestAccess {
  readonly kind: 'rest';
  /** Such as `https://kuma.example:5682`. */
  readonly address: string;
  readonly tokenFile?: string;
  /** PEM file with what signs the API's certificate. */
  readonly caFile?: string;
  /** How often the API is polled; it has no watch. */
  readonly pollMs: number;
}

/**
 * The MeshTrusts of a mesh by the control plane's REST API. It has no versions: the last writer of
 * a name wins.
 */
export function createRestMeshTrusts(access: KumaRestAccess, mesh: string, clock: Clock): MeshTrusts {
  const { address, caFile, tokenFile, pollMs } = access;
  const api = new JsonApi({
    access: accessByFiles({
      address,
      caFile,
      tokenFile,
      credentials: (token) => ({ authorization: `Bearer ${token}` }),
    }),
    refusalOf,
    clock,
  });
  const collection = `/meshes/${encodeURIComponent(mesh)}/meshtrusts`;
  const pathOf = (name: string) => `${collection}/${encodeURIComponent(name)}`;
  const list = async (signal: AbortSignal) => {
    const found: MeshTrust[] = [];
    let offset: string | undefined;
    for (let page = 0; page < MAX_PAGES; page += 1) {
      const query = { size: String(PAGE_SIZE), ...defined({ offset }) };
      const { value } = await api.send('GET', collection, { query, signal });
      const { items, next } = readAnswer(PAGE, value, `GET ${collection}`);
      for (const { name, labels, ...rest } of items) found.push(parseMeshTrust(name, labels ?? {}, rest));
      offset = offsetOf(next);
      if (offset === undefined) return found;
    }
    throw new MeshAdapterError(
      'mesh-answer-malformed',
      `mesh ${mesh} has more than ${PAGE_SIZE * MAX_PAGES} MeshTrusts`,
    );
  };
  return {
    list,
    put: async ({ name, labels, spec }, _before, signal) => {
      const body = { type: 'MeshTrust', mesh, name, labels, spec };
      const { value } = await api.send('PUT', pathOf(name), { body, signal });
      return WRITTEN.parse(value).warnings;
    },
    delete: async ({ name }, signal) => {
      try {
        await api.send('DELETE', pathOf(name), { signal });
      } catch (error) {
        if (!(error instanceof MeshAdapterError && error.code === 'mesh-not-found')) throw error;
      }
    },
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

/**
 * Only the offset of the link to the next page is followed: it may name an address by which we
 * cannot reach the API.
 */
function offsetOf(next: unknown): string | undefined {
  if (typeof next !== 'string' || !URL.canParse(next, 'http://next/')) return undefined;
  return new URL(next, 'http://next/').searchParams.get('offset') ?? undefined;
}

/** Reads the product's message: a title, its detail, and the fields that it refuses. */
function refusalOf(body: Buffer): string {
  const refusal = readIfPossible(REFUSAL, body.toString('utf8'));
  if (!refusal) return '';
  const fields = refusal.invalid_parameters.map(({ field, reason }) => `${String(field)} ${String(reason)}`);
  return [refusal.title, refusal.detail, ...fields].filter((each) => each !== '').join('; ');
}
