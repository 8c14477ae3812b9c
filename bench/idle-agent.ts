import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { tempDir } from '../testkit/temp-dir.ts';
import { writeBenchFiles } from './support/bench-files.ts';
import { endChild, freePort, processorSeconds, residentBytes, untilListening } from './support/process.ts';
import type { Bench } from './support/measure.ts';

/** What `federate agent` holds and does while nothing happens: its own bundle served, no peers. */
export const idleAgent: Bench = {
  name: 'idle-agent',
  async run({ quick }) {
    using folder = tempDir();
    const files = await writeBenchFiles(folder.path);
    const port = await freePort();
    const listen = `127.0.0.1:${port}`;
    const config = folder.file('agent.yaml');
    const { certificate, key, ca } = files;
    writeFileSync(
      config,
      stringify({
        trust_domain: 'a.example',
        store: 'federate.db',
        admin_socket: 'admin.sock',
        log_level: 'error',
        endpoint: {
          profile: 'https_spiffe',
          listen,
          url: `https://${listen}/`,
          svid: { certificate_file: certificate, key_file: key },
        },
        mesh: { kind: 'files', own_pem_files: [ca], foreign_folder: 'foreign' },
      }),
    );
    const entry = fileURLToPath(new URL('../bin/federate.js', import.meta.url));
    const agent = spawn(process.execPath, [entry, 'agent', '--config', config], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    try {
      await untilListening(port);
      await wait(quick ? 2000 : 5000);
      const [cpu, seconds] = [processorSeconds(agent.pid), quick ? 3 : 15];
      await wait(seconds * 1000);
      const share = (processorSeconds(agent.pid) - cpu) / seconds;
      return [
        {
          what: 'idle agent, memory',
          value: `${(residentBytes(agent.pid) / 1e6).toFixed(0)} MB`,
          note: `and ${(share * 100).toFixed(1)} % of a core over ${seconds} s`,
        },
      ];
    } finally {
      await endChild(agent, 'SIGTERM', 10_000);
    }
  },
};

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
