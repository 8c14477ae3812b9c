import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { freePorts } from '../../src/demonstration/demo/free-ports.ts';
import { startAgents } from '../../testkit/running-agents.ts';
import { until } from '../../testkit/until.ts';
import { firstLineOf, type InteropProgram } from '../support/program.ts';

const FOLDER = resolve(import.meta.dirname, '../../deploy/prometheus');
const RUN_MS = 60_000;

const readiness = z.object({
  data: z.object({ result: z.array(z.object({ value: z.tuple([z.number(), z.string()]) })) }),
});
const ruleHealth = z.object({
  data: z.object({
    groups: z.tuple([z.object({ rules: z.array(z.object({ name: z.string(), health: z.string() })) })]),
  }),
});

function promtool(words: readonly string[], input = ''): string {
  const { status, stdout, stderr, error } = spawnSync('promtool', words, {
    input,
    encoding: 'utf8',
    timeout: RUN_MS,
  });
  assert.equal(status, 0, error?.message ?? stdout + stderr);
  return stdout + stderr;
}

/** Prometheus with its promtool: our alerts, and our numbers as it reads them. */
export const prometheus: InteropProgram = {
  name: 'prometheus',
  variable: 'FEDERATE_PROMETHEUS',
  command: 'prometheus',
  version: (executable) => firstLineOf(executable, ['--version'], /version ([\d.]+)/),
  install: 'the package `prometheus` of Debian',
  checks: [
    {
      name: 'promtool takes the alerts, and every alert fires and is silent as its test says',
      run: async () => {
        promtool(['check', 'rules', '--lint-fatal', join(FOLDER, 'alerts.yaml')]);
        promtool(['test', 'rules', join(FOLDER, 'alerts.test.yaml')]);
      },
    },
    {
      name: 'it scrapes an agent, whose page promtool finds nothing wrong with, and evaluates every alert',
      run: async (executable) => {
        const [metrics = 0, web = 0] = await freePorts(2);
        const config = { metrics: `127.0.0.1:${metrics}` };
        await using agents = await startAgents([
          { trustDomain: 'a.example', profile: 'https_spiffe', config },
        ]);
        const page = await (await fetch(`http://127.0.0.1:${metrics}/metrics`)).text();
        // The names of the `nodejs_` and `process_` numbers are those of prom-client.
        const ours = page.split('\n').filter((line) => /^(# \w+ )?federate_/.test(line));
        promtool(['check', 'metrics'], `${ours.join('\n')}\n`);
        writeFileSync(
          agents.file('prometheus.yml'),
          JSON.stringify({
            global: { scrape_interval: '200ms', evaluation_interval: '200ms' },
            rule_files: [join(FOLDER, 'alerts.yaml')],
            scrape_configs: [
              { job_name: 'federate', static_configs: [{ targets: [`127.0.0.1:${metrics}`] }] },
            ],
          }),
        );
        const server = spawn(
          executable,
          [
            `--config.file=${agents.file('prometheus.yml')}`,
            `--storage.tsdb.path=${agents.file('prometheus')}`,
            `--web.listen-address=127.0.0.1:${web}`,
          ],
          { stdio: 'ignore' },
        );
        try {
          const api = async (path: string): Promise<unknown> =>
            (await fetch(`http://127.0.0.1:${web}/api/v1/${path}`).catch(() => undefined))?.json();
          const isReadyThere = async () => {
            const { data } = readiness.safeParse(await api('query?query=federate_ready'));
            return data?.data.result[0]?.value[1] === '1';
          };
          await until(isReadyThere, 'Prometheus to have scraped the agent', { pauseMs: 100 });
          const areEvaluated = async () => {
            const { rules } = ruleHealth.parse(await api('rules')).data.groups[0];
            assert(rules.length > 20);
            assert.deepEqual(
              rules.filter(({ health }) => health === 'err'),
              [],
            );
            return rules.every(({ health }) => health === 'ok');
          };
          await until(areEvaluated, 'every alert to be evaluated', { pauseMs: 100 });
        } finally {
          server.kill('SIGKILL');
        }
      },
    },
  ],
};
