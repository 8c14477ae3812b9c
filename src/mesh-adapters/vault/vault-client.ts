import { defined } from '../../objects/index.ts';
import type { Clock } from '../../platform/index.ts';
import { MeshAdapterError } from '../contract/errors.ts';
import { JsonApi } from '../contract/json-api.ts';
import { readTokenFile } from '../contract/token-file.ts';

const MAX_ISSUERS = 100;

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
    this.#api = new JsonApi({
      address,
      caFile,
      credentials: async () => ({
        ...defined({ 'x-vault-namespace': namespace }),
        ...(tokenFile === undefined ? {} : { 'x-vault-token': await readTokenFile(tokenFile) }),
      }),
      refusalOf,
      clock,
    });
  }

  /**
   * Throws `MeshAdapterError`: `mesh-not-found` for a mount without issuers,
   * `mesh-answer-malformed`, the codes of `JsonApi.send`.
   */
  async issuers(signal: AbortSignal): Promise<readonly VaultIssuer[]> {
    const { keys } = await this.#read('/issuers', signal, { list: 'true' });
    if (!Array.isArray(keys) || keys.length > MAX_ISSUERS)
      throw malformed(`${this.#mount}/issuers names no issuers, or more than ${MAX_ISSUERS}`);
    const issuers: VaultIssuer[] = [];
    for (const key of keys) {
      if (typeof key !== 'string')
        throw malformed(`${this.#mount}/issuers names an issuer that is not a string`);
      const issuer = await this.#issuer(key, signal);
      if (issuer) issuers.push(issuer);
    }
    return issuers;
  }

  async #issuer(id: string, signal: AbortSignal): Promise<VaultIssuer | undefined> {
    // A caller without the right to authenticate gets the certificates, but does not learn of a
    // revocation.
    const path = `/issuer/${encodeURIComponent(id)}${this.#authenticated ? '' : '/json'}`;
    const { certificate, ca_chain: chain, revoked } = await this.#read(path, signal);
    const above = chain ?? [];
    if (typeof certificate !== 'string' || !Array.isArray(above))
      throw malformed(`${this.#mount}${path} lacks a certificate`);
    const pems = [certificate, ...above].filter((each): each is string => typeof each === 'string');
    return revoked === true ? undefined : { id, pems };
  }

  async #read(path: string, signal: AbortSignal, query: Readonly<Record<string, string>> = {}) {
    const value = await this.#api.send('GET', `${this.#mount}${path}`, { query, signal });
    const { data } = Object(value) as { data?: unknown };
    return Object(data) as Readonly<Record<string, unknown>>;
  }
}

function malformed(message: string): MeshAdapterError {
  return new MeshAdapterError('mesh-answer-malformed', message);
}

/** Reads the product's message: a list of sentences, each possibly over several lines. */
function refusalOf(body: Buffer): string {
  try {
    const { errors } = Object(JSON.parse(body.toString('utf8'))) as { errors?: unknown };
    const sentences = Array.isArray(errors) ? errors.filter((each) => typeof each === 'string') : [];
    return sentences.map((each) => each.replaceAll(/\s+/g, ' ').trim()).join('; ');
  } catch {
    return '';
  }
}
