import { defined } from '../../objects/index.ts';
import type { Clock } from '../../platform/index.ts';
import { MeshAdapterError } from '../contract/errors.ts';
import { JsonApi } from '../contract/json-api.ts';
import { textsOf } from '../kubernetes/kubernetes-object.ts';
import { poll } from '../contract/poll.ts';
import { readTokenFile } from '../contract/token-file.ts';
import { type MeshTrust, parseMeshTrust } from './mesh-trust.ts';
import type { MeshTrusts } from './mesh-trusts.ts';

const PAGE_SIZE = 500;
const MAX_PAGES = 40;

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
    address,
    caFile,
    credentials: async () =>
      tokenFile === undefined ? {} : { authorization: `Bearer ${await readTokenFile(tokenFile)}` },
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
      const value = await api.send('GET', collection, { query, signal });
      const { items, next } = Object(value) as { items?: unknown; next?: unknown };
      if (!Array.isArray(items))
        throw new MeshAdapterError('mesh-answer-malformed', `GET ${collection} gave no items`);
      for (const item of items) found.push(parseItem(item));
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
      const value = await api.send('PUT', pathOf(name), { body, signal });
      const { warnings } = Object(value) as { warnings?: unknown };
      return Array.isArray(warnings) ? warnings.filter((each) => typeof each === 'string') : [];
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

function parseItem(item: unknown): MeshTrust {
  const { name, labels, spec, status } = Object(item) as Readonly<Record<string, unknown>>;
  if (typeof name !== 'string')
    throw new MeshAdapterError('mesh-answer-malformed', 'a MeshTrust lacks a name');
  const known = labels === undefined || labels === null ? {} : textsOf(labels, 'MeshTrust', 'labels');
  return parseMeshTrust(name, known, { spec, status });
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
  try {
    const refusal = Object(JSON.parse(body.toString('utf8'))) as Readonly<Record<string, unknown>>;
    const { title, detail, invalid_parameters: parameters } = refusal;
    const fields = (Array.isArray(parameters) ? parameters : []).map((each: unknown) => {
      const { field, reason } = Object(each) as { field?: unknown; reason?: unknown };
      return `${String(field)} ${String(reason)}`;
    });
    return [title, detail, ...fields].filter((each) => typeof each === 'string' && each !== '').join('; ');
  } catch {
    return '';
  }
}
