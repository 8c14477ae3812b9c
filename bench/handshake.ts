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
import { type Bench, interleave } from './support/measure.ts';

/** Processor time of the server for one mTLS handshake with full verification, beside HAProxy's `verify required`. */
export const handshake: Bench = {
  name: 'handshake',
  async run({ quick }) {
    const folder = mkdtempSync(join(tmpdir(), 'federate-bench-'));
    try {
      const files = await writeBenchFiles(folder);
      const server = new URL('./support/mtls-server.ts', import.meta.url).pathname;
      await using ours = startChild(process.execPath, [server, JSON.stringify(files)]);
      const { port } = await firstLine<{ port: number }>(ours);
      const haproxy = findProgram('haproxy');
      const theirPort = await freePort();
      await using theirs = haproxy
        ? startChild(haproxy, ['-f', haproxyConfig(files, theirPort), '-db'])
        : undefined;
      if (theirs) await untilListening(theirPort);
      const { clientCertificate, clientKey } = files;
      const seconds = quick ? 1 : 4;
      const costOf = (child: BenchChild, at: number) => async () => {
        const before = child.cpuSeconds();
        const { answers } = await runLoad<{ answers: number }>('https-load', {
          ...{ port: at, seconds, connections: 8, keepAlive: false, clientCertificate, clientKey },
        });
        return ((child.cpuSeconds() - before) / answers) * 1e6;
      };
      if (!quick) await costOf(ours, port)();
      const what = 'mTLS handshake, CPU of the server';
      if (!theirs)
        return [{ what, value: `${(await costOf(ours, port)()).toFixed(0)} µs`, note: NOT_INSTALLED }];
      const { a, b, ratio } = await interleave(quick ? 1 : 3, costOf(theirs, theirPort), costOf(ours, port));
      return [
        {
          what,
          value: `${ratio.toFixed(2)} × HAProxy`,
          target: '≥ 1.0',
          reached: ratio >= 1,
          note: `${b.toFixed(0)} µs against ${a.toFixed(0)} µs; more is better for us`,
        },
      ];
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

function haproxyConfig(files: BenchFiles, port: number): string {
  const file = join(files.folder, 'haproxy.cfg');
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
  bind 127.0.0.1:${port} ssl crt ${files.combined} ca-file ${files.ca} verify required no-tls-tickets
  http-request return status 200
`,
  );
  return file;
}
