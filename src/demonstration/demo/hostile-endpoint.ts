import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import type { ProbeIdentity } from './tls-probe.ts';

/**
 * A bundle endpoint that somebody has taken over: it shows a valid SVID of the real one, and serves
 * whatever it likes. Only for the demonstration.
 */
export class HostileEndpoint {
  readonly #server: Server;
  #body = '';

  private constructor(identity: ProbeIdentity) {
    this.#server = createServer(
      { cert: identity.certificateChainPem, key: identity.privateKeyPem, minVersion: 'TLSv1.2' },
      (_request, response) => response.writeHead(200, { 'content-type': 'application/json' }).end(this.#body),
    );
  }

  static async start(identity: ProbeIdentity, port: number): Promise<HostileEndpoint> {
    const endpoint = new HostileEndpoint(identity);
    endpoint.#server.listen(port, '127.0.0.1');
    await once(endpoint.#server, 'listening');
    return endpoint;
  }

  /** What it answers from now on. */
  serve(body: string): void {
    this.#body = body;
  }

  async stop(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }
}
