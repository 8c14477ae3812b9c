import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BenchFiles } from './support/bench-files.ts';
import { startBeside } from './support/beside.ts';
import { NOT_INSTALLED } from './support/process.ts';
import { rowsOfEndpoints } from './support/endpoint-rows.ts';
import type { Bench } from './support/measure.ts';
import { tempDir } from '../testkit/temp-dir.ts';

/** Bundle endpoint requests on kept connections and with a handshake each, beside nginx serving the same bytes. */
export const endpoint: Bench = {
  name: 'endpoint',
  async run({ quick }) {
    using folder = tempDir();
    const server = new URL('./programs/endpoint-server.ts', import.meta.url);
    await using both = await startBeside(folder.path, server, 'nginx', (files, port) => [
      '-p',
      folder.path,
      '-c',
      nginxConfig(files, port),
    ]);
    const { ours, theirs } = both;
    return await rowsOfEndpoints(
      'endpoint',
      'nginx',
      ours,
      theirs,
      { quick, kept: 0.42, each: 0.6 },
      NOT_INSTALLED,
    );
  },
};

function nginxConfig({ folder, certificate, key }: BenchFiles, port: number): string {
  const file = join(folder, 'nginx.conf');
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  writeFileSync(
    file,
    `daemon off; master_process off; pid ${folder}/nginx.pid; error_log /dev/null;
events { worker_connections 4096; }
http {
  access_log off; default_type application/json; keepalive_requests 1000; ssl_session_tickets off;
  open_file_cache max=10; ${paths.map((name) => `${name}_temp_path ${folder};`).join(' ')}
  server {
    listen 127.0.0.1:${port} ssl; ssl_protocols TLSv1.2 TLSv1.3;
    ssl_certificate ${certificate}; ssl_certificate_key ${key};
    location / { root ${folder}; try_files /bundle.json =404; }
  }
}
`,
  );
  return file;
}
