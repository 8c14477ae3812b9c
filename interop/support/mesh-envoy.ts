import { createServer, request, type Server } from 'node:http';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { sidecarConfigSchema } from '../../src/config/sidecar-config.ts';
import { sidecarBootstrap } from '../../src/envoy/bootstrap/sidecar-bootstrap.ts';
import { Child } from './child.ts';

/** Where an Envoy gets what it is, where it listens, and who the other one is. */
export interface MeshEnvoyPlan {
  readonly binary: string;
  /** Absolute path of the file its bootstrap is written into. */
  readonly file: string;
  /** Unix socket of the SDS server that gives its SVID (`default`) and its trust (`ALL`). */
  readonly socket: string;
  readonly inboundPort: number;
  readonly outboundPort: number;
  /** The other Envoy: its inbound port and the SPIFFE ID it has. */
  readonly other: { readonly port: number; readonly id: string };
}

/**
 * An Envoy as the sidecar of one workload, which calls the other mesh's and is called by it; set up as `federate export-config --for
 * envoy` does, but that each call has a handshake of its own, so that none rests on what was trusted before.
 */
export class MeshEnvoy implements AsyncDisposable {
  readonly #envoy: Child;
  readonly #workload: Server;
  readonly #outboundPort: number;

  private constructor(envoy: Child, workload: Server, outboundPort: number) {
    this.#envoy = envoy;
    this.#workload = workload;
    this.#outboundPort = outboundPort;
  }

  static async start(plan: MeshEnvoyPlan): Promise<MeshEnvoy> {
    const workload = createServer((_, response) => response.end('ok')).listen(0, '127.0.0.1');
    await once(workload, 'listening');
    const config = sidecarConfigSchema.parse({
      sds_socket: plan.socket,
      inbound: {
        listen: `127.0.0.1:${plan.inboundPort}`,
        forward_to: `127.0.0.1:${(workload.address() as AddressInfo).port}`,
        allow: [plan.other.id],
      },
      outbound: [
        {
          listen: `127.0.0.1:${plan.outboundPort}`,
          to: `127.0.0.1:${plan.other.port}`,
          server_name: 'workload.example',
          expect: [plan.other.id],
        },
      ],
    });
    const bootstrap = sidecarBootstrap(config, {
      identitySocket: plan.socket,
      trustSocket: plan.socket,
      trustResource: 'ALL',
    });
    const onceOnly = '"common_http_protocol_options":{"max_requests_per_connection":1,';
    const text = JSON.stringify(bootstrap).replaceAll('"common_http_protocol_options":{', onceOnly);
    writeFileSync(plan.file, text);
    const quiet = ['--disable-hot-restart', '--concurrency', '1', '--log-level', 'warning'];
    return new MeshEnvoy(new Child(plan.binary, ['-c', plan.file, ...quiet]), workload, plan.outboundPort);
  }

  /** Whether the workload beside this Envoy gets an answer of the one beside the other. */
  call(): Promise<boolean> {
    return new Promise((resolve) => {
      const asked = request(
        { host: '127.0.0.1', port: this.#outboundPort, agent: false, timeout: 5000 },
        (response) => {
          response.resume();
          resolve(response.statusCode === 200);
        },
      );
      asked.on('timeout', () => asked.destroy());
      asked.on('error', () => resolve(false));
      asked.end();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#envoy[Symbol.asyncDispose]();
    this.#workload.closeAllConnections();
    this.#workload.close();
  }
}
