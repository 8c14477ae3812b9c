import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import { closeAtOnce } from '../../platform/index.ts';
import type { ProbeIdentity } from './tls-probe.ts';

/**
 * A bundle endpoint that an attacker has taken over: it presents a valid SVID of the real endpoint
 * and serves anything. Only for the demonstration.
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

  /** Sets the answer from now on. */
  serve(body: string): void {
    this.#body = body;
  }

  async stop(): Promise<void> {
    await closeAtOnce(this.#server);
  }
}
