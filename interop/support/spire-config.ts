import { join } from 'node:path';

/** What a SPIRE server is for, where it listens and where it keeps its state. */
export interface SpireServerPlace {
  readonly folder: string;
  /** Default `spire.example`. */
  readonly trustDomain?: string;
  readonly apiPort: number;
  readonly endpointPort: number;
  readonly keys: 'disk' | 'memory';
  /** The files of the certificate that its endpoint shows instead of its own SVID (`https_web`). */
  readonly web?: { readonly certificateFile: string; readonly keyFile: string } | undefined;
}

/** The server's own socket, whose callers are administrators. */
export function spireSocket(folder: string): string {
  return join(folder, 'api.sock');
}

/** The configuration of such a server, on loopback, with a bundle endpoint. The folder `data` in its folder has to be there. */
export function spireServerConfig({
  folder,
  trustDomain = 'spire.example',
  apiPort,
  endpointPort,
  keys,
  web,
}: SpireServerPlace): string {
  const profile = web
    ? // Without an interval 1.15 does not start.
      `profile "https_web" { serving_cert_file {
        cert_file_path = "${web.certificateFile}"
        key_file_path = "${web.keyFile}"
        file_sync_interval = "1h"
      } }`
    : 'profile "https_spiffe" {}';
  const keyManager =
    keys === 'disk'
      ? `KeyManager "disk" { plugin_data { keys_path = "${folder}/data/keys.json" } }`
      : 'KeyManager "memory" { plugin_data {} }';
  return `server {
  bind_address = "127.0.0.1"
  bind_port = "${apiPort}"
  socket_path = "${spireSocket(folder)}"
  trust_domain = "${trustDomain}"
  data_dir = "${folder}/data"
  ca_ttl = "1h"
  default_x509_svid_ttl = "5m"
  federation {
    bundle_endpoint {
      address = "127.0.0.1"
      port = ${endpointPort}
      ${profile}
    }
  }
}
plugins {
  DataStore "sql" {
    plugin_data {
      database_type = "sqlite3"
      connection_string = "${folder}/data/datastore.sqlite3"
    }
  }
  ${keyManager}
  NodeAttestor "join_token" { plugin_data {} }
}
`;
}
