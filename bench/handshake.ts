import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tempDir } from '../testkit/temp-dir.ts';
import type { BenchFiles } from './support/bench-files.ts';
import { startBeside } from './support/beside.ts';
import { NOT_INSTALLED } from './support/process.ts';
import { compareCosts, costOf, textOfCosts } from './support/load.ts';
import type { Bench } from './support/measure.ts';

/** Processor time of one mTLS handshake on the server, the client's chain verified, beside HAProxy with `verify required`. */
export const handshake: Bench = {
  name: 'handshake',
  async run({ quick }) {
    using folder = tempDir();
    const server = new URL('./programs/mtls-server.ts', import.meta.url);
    await using both = await startBeside(folder.path, server, 'haproxy', (files, port) => [
      '-db',
      '-f',
      haproxyConfig(files, port),
    ]);
    const { files, ours, theirs } = both;
    const { clientCertificate, clientKey } = files;
    const load = { seconds: quick ? 1 : 3, connections: 16, keepAlive: false, clientCertificate, clientKey };
    const program = new URL('./programs/https-load.ts', import.meta.url);
    const compared = await compareCosts(
      quick ? 1 : 5,
      () => costOf(ours.child, program, { ...load, port: ours.port }),
      theirs && (() => costOf(theirs.child, program, { ...load, port: theirs.port })),
    );
    const { a, b, ratio } = compared;
    return [
      {
        what: 'mTLS handshake on the server, and one answer',
        value: b ? `${ratio.toFixed(2)} of HAProxy` : `${a.cpuMicroseconds.toFixed(0)} µs`,
        ...(b ? { target: '≥ 1.0', reached: ratio >= 1 } : {}),
        note: textOfCosts(compared, NOT_INSTALLED),
      },
    ];
  },
};

function haproxyConfig({ folder, combined, ca }: BenchFiles, port: number): string {
  const file = join(folder, 'haproxy.cfg');
  writeFileSync(
    file,
    `global
  nbthread 1
  tune.ssl.cachesize 0
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend f
  bind 127.0.0.1:${port} ssl crt ${combined} ca-file ${ca} verify required no-tls-tickets ssl-min-ver TLSv1.2
  http-request return status 200 content-type text/plain string ok
`,
  );
  return file;
}
