import { z } from 'zod';
import { defined } from '../../objects/index.ts';
import type { Clock } from '../../platform/index.ts';
import { boundedList, readAnswer, readIfPossible } from '../contract/answer.ts';
import { MeshAdapterError } from '../contract/errors.ts';
import { accessByFiles, JsonApi } from '../contract/json-api.ts';

const PAGE_SIZE = 500;
const MAX_PAGES = 40;
const RESOURCE = z.looseObject({
  name: z.string(),
  labels: z.record(z.string(), z.string()).nullish(),
});
const INDEX = z.object({ version: z.string() });
const PAGE = z.object({ items: boundedList(RESOURCE), next: z.unknown().optional() });
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

/** One resource as the REST API gives it. */
export type KumaResource = z.output<typeof RESOURCE>;

/** The resources of one mesh by the control plane's REST API. It has no versions. */
export class KumaRestApi {
  readonly #api: JsonApi;
  readonly #mesh: string;

  constructor({ address, caFile, tokenFile }: KumaRestAccess, mesh: string, clock: Clock) {
    this.#mesh = mesh;
    const credentials = (token: string) => ({ authorization: `Bearer ${token}` });
    this.#api = new JsonApi({
      access: accessByFiles({ address, caFile, tokenFile, credentials }),
      refusalOf,
      clock,
    });
  }

  /** The major version of the control plane. Throws `MeshAdapterError`. */
  async majorVersion(signal: AbortSignal): Promise<number> {
    const { value } = await this.#api.send('GET', '/', { signal });
    const { version } = readAnswer(INDEX, value, 'GET /');
    return Number(/^v?(\d+)\./.exec(version)?.[1] ?? 0);
  }

  /** Every resource of a collection, such as `meshtrusts`. Throws `MeshAdapterError`. */
  async list(plural: string, signal: AbortSignal): Promise<readonly KumaResource[]> {
    const path = this.#pathOf(plural);
    const found: KumaResource[] = [];
    let offset: string | undefined;
    for (let page = 0; page < MAX_PAGES; page += 1) {
      const query = { size: String(PAGE_SIZE), ...defined({ offset }) };
      const { value } = await this.#api.send('GET', path, { query, signal });
      const { items, next } = readAnswer(PAGE, value, `GET ${path}`);
      found.push(...items);
      offset = offsetOf(next);
      if (offset === undefined) return found;
    }
    throw new MeshAdapterError(
      'mesh-answer-malformed',
      `mesh ${this.#mesh} has more than ${PAGE_SIZE * MAX_PAGES} ${plural}`,
    );
  }

  /** Makes a resource, or replaces it. Returns the answer. Throws `MeshAdapterError`. */
  async put(plural: string, name: string, body: object, signal: AbortSignal): Promise<unknown> {
    const options = { body: { mesh: this.#mesh, name, ...body }, signal };
    return (await this.#api.send('PUT', this.#pathOf(plural, name), options)).value;
  }

  /** Deletes a resource. One that does not exist is not an error. Throws `MeshAdapterError`. */
  async delete(plural: string, name: string, signal: AbortSignal): Promise<void> {
    try {
      await this.#api.send('DELETE', this.#pathOf(plural, name), { signal });
    } catch (error) {
      if (!(error instanceof MeshAdapterError && error.code === 'mesh-not-found')) throw error;
    }
  }

  #pathOf(plural: string, name?: string): string {
    const collection = `/meshes/${encodeURIComponent(this.#mesh)}/${plural}`;
    return name === undefined ? collection : `${collection}/${encodeURIComponent(name)}`;
  }
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
