import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts } from '../../src/demonstration/demo/free-ports.ts';
import { probeTls } from '../../src/demonstration/demo/tls-probe.ts';
import { envoy } from '../programs/envoy.ts';
import { Child } from '../support/child.ts';
import type { LeafFiles } from '../support/linkerd-mesh.ts';
import { findExecutable } from '../support/program.ts';
import type { Verifier } from './verifier.ts';

/** Node's own TLS, as a server that asks for certificates. */
export function nodeVerifier(own: LeafFiles): Verifier {
  return {
    name: 'Node',
    usedBy: 'JavaScript',
    version: () => `${process.versions.node}, OpenSSL ${process.versions.openssl}`,
    judge: async (pool, leaves) => {
      const asked = { ca: readFileSync(pool), requestCert: true, rejectUnauthorized: true };
      const shown = { cert: readFileSync(own.chain), key: readFileSync(own.key) };
      const server = createServer({ ...asked, ...shown }, (_, response) => response.end());
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      try {
        return await callAll((server.address() as AddressInfo).port, leaves);
      } finally {
        server.closeAllConnections();
        server.close();
      }
    },
  };
}

/** BoringSSL as Envoy uses it: `trusted_ca` and nothing else. */
export function envoyVerifier(own: LeafFiles): Verifier {
  return {
    name: 'BoringSSL in Envoy',
    usedBy: "Istio's sidecars, every Envoy with `trusted_ca`",
    version: () => {
      const binary = findExecutable(envoy);
      return binary === undefined ? undefined : `Envoy ${envoy.version(binary)}`;
    },
    judge: async (pool, leaves) => {
      const [port = 0] = await freePorts(1);
      const folder = mkdtempSync(join(tmpdir(), 'federate-envoy-'));
      const config = join(folder, 'envoy.json');
      writeFileSync(config, JSON.stringify(bootstrap(port, pool, own)));
      const words = ['-c', config, '--disable-hot-restart', '--concurrency', '1', '--log-level', 'error'];
      try {
        await using child = new Child(findExecutable(envoy) ?? '', words);
        // With the pool of one root or another our own leaf is always good.
        await child.until('Envoy lets our own leaf in', () => call(port, own));
        return await callAll(port, leaves);
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    },
  };
}

function bootstrap(port: number, pool: string, { chain, key }: LeafFiles) {
  const type = (name: string) => ({ '@type': `type.googleapis.com/envoy.extensions.${name}` });
  const transport_socket = {
    name: 'tls',
    typed_config: {
      ...type('transport_sockets.tls.v3.DownstreamTlsContext'),
      require_client_certificate: true,
      common_tls_context: {
        tls_certificates: [{ certificate_chain: { filename: chain }, private_key: { filename: key } }],
        validation_context: { trusted_ca: { filename: pool } },
      },
    },
  };
  const answer = {
    match: { prefix: '/' },
    direct_response: { status: 200 },
  };
  const http = {
    name: 'http',
    typed_config: {
      ...type('filters.network.http_connection_manager.v3.HttpConnectionManager'),
      stat_prefix: 'http',
      route_config: { virtual_hosts: [{ name: 'all', domains: ['*'], routes: [answer] }] },
      http_filters: [{ name: 'router', typed_config: type('filters.http.router.v3.Router') }],
    },
  };
  const address = { socket_address: { address: '127.0.0.1', port_value: port } };
  return {
    static_resources: {
      listeners: [{ address, filter_chains: [{ transport_socket, filters: [http] }] }],
    },
  };
}

async function callAll(port: number, leaves: readonly LeafFiles[]): Promise<readonly boolean[]> {
  const verdicts: boolean[] = [];
  for (const leaf of leaves) verdicts.push(await call(port, leaf));
  return verdicts;
}

/** Whether the server answers who shows this leaf: in TLS 1.3 a client hears of its refusal only afterwards. */
async function call(port: number, { chain, key }: LeafFiles): Promise<boolean> {
  const identity = {
    certificateChainPem: readFileSync(chain, 'utf8'),
    privateKeyPem: readFileSync(key, 'utf8'),
  };
  try {
    const { firstLine } = await probeTls({ port, serverName: 'server.example', identity });
    return firstLine?.includes('200') === true;
  } catch {
    // Refused in the handshake itself.
    return false;
  }
}
