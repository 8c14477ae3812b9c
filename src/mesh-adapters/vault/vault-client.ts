import { z } from 'zod';
import { defined } from '../../objects/index.ts';
import type { Clock } from '../../platform/index.ts';
import { boundedList, readAnswer, readIfPossible, textsIn } from '../contract/answer.ts';
import { accessByFiles, JsonApi } from '../contract/json-api.ts';

const MAX_ISSUERS = 100;
const ANSWER = z.object({ data: z.unknown().optional() });
const ISSUERS = z.object({ keys: boundedList(z.string(), MAX_ISSUERS) });
const ISSUER = z.object({
  certificate: z.string(),
  ca_chain: boundedList(z.string(), MAX_ISSUERS).nullish(),
  revoked: z.unknown().optional(),
});
const REFUSAL = z.object({ errors: textsIn });

/** Where the PKI mount is, and who we are to it. */
export interface VaultAccess {
  /** Such as `https://vault.example:8200`. */
  readonly address: string;
  /** The path of the PKI secrets engine, such as `pki` or `team/pki`. */
  readonly mount: string;
  readonly namespace?: string | undefined;
  /**
   * With a token revoked issuers are seen; it needs `read` on `<mount>/issuer/*` and `list` on
   * `<mount>/issuers`.
   */
  readonly tokenFile?: string | undefined;
  /** PEM file with what signs the server's certificate. */
  readonly caFile?: string | undefined;
}

/** One issuer of the mount. */
export interface VaultIssuer {
  readonly id: string;
  /** The PEM texts of its certificate and of the chain above it. */
  readonly pems: readonly string[];
}

/** The issuers of a PKI mount of Vault or OpenBao, those that are revoked left out. */
export class VaultClient {
  readonly #api: JsonApi;
  readonly #mount: string;
  readonly #authenticated: boolean;

  constructor({ address, mount, namespace, tokenFile, caFile }: VaultAccess, clock: Clock) {
    this.#mount = `/v1/${mount.split('/').map(encodeURIComponent).join('/')}`;
    this.#authenticated = tokenFile !== undefined;
    const access = accessByFiles({
      address,
      caFile,
      tokenFile,
      credentials: (token) => ({ 'x-vault-token': token }),
    });
    this.#api = new JsonApi({
      access: async () => {
        const found = await access();
        const headers = { ...found.connection.headers, ...defined({ 'x-vault-namespace': namespace }) };
        return { ...found, connection: { ...found.connection, headers } };
      },
      refusalOf,
      clock,
    });
  }

  /**
   * Throws `MeshAdapterError`: `mesh-not-found` for a mount without issuers,
   * `mesh-answer-malformed`, the codes of `JsonApi.send`.
   */
  async issuers(signal: AbortSignal): Promise<readonly VaultIssuer[]> {
    const { keys } = await this.#read('/issuers', ISSUERS, signal, { list: 'true' });
    const issuers: VaultIssuer[] = [];
    for (const key of keys) {
      const issuer = await this.#issuer(key, signal);
      if (issuer) issuers.push(issuer);
    }
    return issuers;
  }

  async #issuer(id: string, signal: AbortSignal): Promise<VaultIssuer | undefined> {
    // A caller without the right to authenticate gets the certificates, but does not learn of a
    // revocation.
    const path = `/issuer/${encodeURIComponent(id)}${this.#authenticated ? '' : '/json'}`;
    const { certificate, ca_chain: above, revoked } = await this.#read(path, ISSUER, signal);
    return revoked === true ? undefined : { id, pems: [certificate, ...(above ?? [])] };
  }

  async #read<Data extends z.ZodType>(
    path: string,
    data: Data,
    signal: AbortSignal,
    query: Readonly<Record<string, string>> = {},
  ): Promise<z.output<Data>> {
    const where = `${this.#mount}${path}`;
    const { value } = await this.#api.send('GET', where, { query, signal });
    return readAnswer(data, readAnswer(ANSWER, value, where).data, `the data of ${where}`);
  }
}

/** Reads the product's message: a list of sentences, each possibly over several lines. */
function refusalOf(body: Buffer): string {
  const { errors = [] } = readIfPossible(REFUSAL, body.toString('utf8')) ?? {};
  return errors.map((each) => each.replaceAll(/\s+/g, ' ').trim()).join('; ');
}
