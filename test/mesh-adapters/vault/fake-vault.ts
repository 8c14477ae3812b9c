import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface FakeVaultRequest {
  readonly path: string;
  readonly token: string;
  readonly namespace: string;
}

interface FakeIssuer {
  readonly pem: string;
  readonly chain: readonly string[];
  revoked: boolean;
}

/**
 * The PKI mount `pki` of a Vault: a list of issuers and each of them, in short for every caller and
 * whole for the token `good`. A mount without issuers answers 404, a missing mount 403, as the
 * product does. A test may answer instead.
 */
export class FakeVault {
  readonly requests: FakeVaultRequest[] = [];
  readonly issuers = new Map<string, FakeIssuer>();
  answer: (request: FakeVaultRequest, response: ServerResponse) => boolean = () => false;
  #server: Server | undefined;
  #port = 0;

  async start(): Promise<void> {
    this.#server = createServer((request, response) => this.#serve(request, response));
    await once(this.#server.listen(this.#port, '127.0.0.1'), 'listening');
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    server?.closeAllConnections();
    if (server) await new Promise((resolve) => server.close(resolve));
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  put(id: string, pem: string, chain: readonly string[] = []): void {
    this.issuers.set(id, { pem, chain: [pem, ...chain], revoked: false });
  }

  revoke(id: string): void {
    const issuer = this.issuers.get(id);
    if (issuer) issuer.revoked = true;
  }

  #serve(incoming: IncomingMessage, response: ServerResponse): void {
    const url = new URL(incoming.url ?? '/', 'http://fake');
    const header = (name: string) => String(incoming.headers[name] ?? '');
    const request = {
      path: url.pathname,
      token: header('x-vault-token'),
      namespace: header('x-vault-namespace'),
    };
    this.requests.push(request);
    if (this.answer(request, response)) return;
    const [, id, short] = /^\/v1\/pki\/issuer\/([^/]+)(\/json)?$/.exec(url.pathname) ?? [];
    const issuer = id === undefined ? undefined : this.issuers.get(id);
    if (url.pathname === '/v1/pki/issuers' && url.searchParams.get('list') === 'true') {
      const keys = [...this.issuers.keys()];
      if (keys.length === 0) refuse(response, 404, []);
      else response.end(JSON.stringify({ data: { keys, key_info: {} } }));
    } else if (!issuer || (short === undefined && request.token !== 'good')) {
      refuse(response, issuer ? 403 : 404, issuer ? ['permission denied'] : []);
    } else {
      const reported = { issuer_id: id, certificate: issuer.pem, ca_chain: issuer.chain };
      const whole = short === undefined ? { revoked: issuer.revoked } : {};
      response.end(JSON.stringify({ data: { ...reported, ...whole } }));
    }
  }
}

/** Answers as the product refuses. */
export function refuse(response: ServerResponse, status: number, errors: readonly string[]): void {
  response.writeHead(status).end(JSON.stringify({ errors }));
}
