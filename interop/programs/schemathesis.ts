import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { openApiDocument } from '../../src/admin/index.ts';
import { createAdminClient } from '../../src/admin-client/index.ts';
import { firstLineOf, type InteropProgram } from '../support/program.ts';
import { proxyTo } from '../support/socket-proxy.ts';
import { startWorkloadAgent } from '../support/workload-agent.ts';

const EXAMPLES = 25;
/** A removal waits some seconds for the mesh, and a poll for its peer. What takes longer than that hangs. */
const REQUEST_SECONDS = 30;
const RUN_MS = 480_000;

const WORDS = [
  '--no-color',
  '--phases=examples,coverage,fuzzing',
  '--checks=not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance',
  `--max-examples=${EXAMPLES}`,
  `--request-timeout=${REQUEST_SECONDS}`,
  '--generation-deterministic',
  '--continue-on-failure',
  '--no-shrink',
];

/** schemathesis, which makes requests from an OpenAPI document and compares the answers with it. */
export const schemathesis: InteropProgram = {
  name: 'schemathesis',
  variable: 'FEDERATE_SCHEMATHESIS',
  command: 'schemathesis',
  version: (executable) => firstLineOf(executable, ['--version'], /([\d.]+)/),
  install: 'the package `schemathesis` of PyPI',
  checks: [
    {
      name: 'the admin API answers every request as its OpenAPI document has it: no 5xx, no undocumented status, no hang',
      run: async (executable) => {
        await using ours = await startWorkloadAgent({ givesSvid: false });
        await using proxy = await proxyTo(ours.home.socket);
        const file = ours.file('openapi.json');
        writeFileSync(file, JSON.stringify(openApiDocument()));
        const { code, out } = await run(
          executable,
          ['run', file, `--url=${proxy.url}`, ...WORDS],
          ours.folder,
        );
        assert.equal(code, 0, out.slice(-6000));
        const client = createAdminClient({
          socketPath: ours.home.socket,
          operator: 'test',
          timeoutMs: REQUEST_SECONDS * 1000,
        });
        assert.equal((await client.call('GET /v1/status')).trust_domain, 'a.example');
      },
    },
  ],
};

function run(
  executable: string,
  words: readonly string[],
  folder: string,
): Promise<{ readonly code: number; readonly out: string }> {
  return new Promise((done) => {
    const options = { cwd: folder, timeout: RUN_MS, maxBuffer: 64 * 1024 * 1024 };
    execFile(executable, words, options, (error, out, err) =>
      done({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : 1, out: out + err }),
    );
  });
}
