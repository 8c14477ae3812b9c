import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BenchFiles, writeBenchFiles } from './support/certificates.ts';
import {
  type BenchChild,
  findProgram,
  firstLine,
  freePort,
  NOT_INSTALLED,
  runLoad,
  startChild,
  untilListening,
} from './support/child.ts';
import { type Bench, type BenchRow, interleave } from './support/measure.ts';

/** Bundle endpoint requests per second, on kept connections and with a handshake each, beside nginx serving the same bytes. */
export const endpoint: Bench = {
  name: 'endpoint',
  async run({ quick }) {
    const folder = mkdtempSync(join(tmpdir(), 'federate-bench-'));
    try {
      const files = await writeBenchFiles(folder);
      const server = new URL('./programs/endpoint-server.ts', import.meta.url).pathname;
      await using ours = startChild(process.execPath, [server, JSON.stringify(files)]);
      const { port } = await firstLine<{ port: number }>(ours);
      const nginx = findProgram('nginx');
      const theirPort = await freePort();
      await using theirs = nginx
        ? startChild(nginx, ['-c', nginxConfig(files, theirPort), '-p', folder])
        : undefined;
      if (theirs) await untilListening(theirPort);
      const seconds = quick ? 1 : 4;
      const rows: BenchRow[] = [];
      for (const [what, keepAlive, connections, target] of [
        ['endpoint, kept connections', true, 16, 0.42],
        ['endpoint, a handshake each', false, 16, 0.6],
      ] as const) {
        // The client takes as much of the two cores as the server, so the server's own processor time is what counts.
        const costOf = (child: BenchChild, at: number) => async () => {
          const before = child.cpuSeconds();
          const { answers } = await runLoad<{ answers: number }>('endpoint-load', {
            port: at,
            seconds,
            connections,
            keepAlive,
          });
          return (child.cpuSeconds() - before) / answers;
        };
        // The first seconds after the start are several times slower on Node: they are not counted.
        if (!quick) await costOf(ours, port)();
        const rate = (seconds: number) => `${(1 / seconds).toFixed(0)}/s`;
        if (!theirs) {
          rows.push({ what, value: `${rate(await costOf(ours, port)())} per core`, note: NOT_INSTALLED });
          continue;
        }
        const { a, b, ratio } = await interleave(
          quick ? 1 : 3,
          costOf(theirs, theirPort),
          costOf(ours, port),
        );
        rows.push({
          what,
          value: `${ratio.toFixed(2)} of nginx`,
          target: `≥ ${target}`,
          reached: ratio >= target,
          note: `requests per second of processor time: ${rate(b)} against ${rate(a)}`,
        });
      }
      return rows;
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

function nginxConfig(files: BenchFiles, port: number): string {
  const file = join(files.folder, 'nginx.conf');
  writeFileSync(
    file,
    `daemon off; worker_processes 1; pid ${files.folder}/nginx.pid; error_log /dev/null;
events { worker_connections 4096; }
http {
  access_log off; default_type application/json; keepalive_requests 100000; ssl_session_tickets off;
  client_body_temp_path ${files.folder}; proxy_temp_path ${files.folder}; fastcgi_temp_path ${files.folder};
  uwsgi_temp_path ${files.folder}; scgi_temp_path ${files.folder};
  server {
    listen 127.0.0.1:${port} ssl; ssl_certificate ${files.certificate}; ssl_certificate_key ${files.key};
    ssl_protocols TLSv1.2 TLSv1.3;
    location / { root ${files.folder}; try_files /bundle.json =404; }
  }
}
`,
  );
  return file;
}
