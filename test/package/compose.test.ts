import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { parseDurationMs } from '../../src/platform/index.ts';

const ROOT = resolve(import.meta.dirname, '../..');

interface HealthCheck {
  readonly test: readonly string[];
  readonly interval: string;
  readonly timeout: string;
  readonly start_period: string;
}

interface Compose {
  readonly services: Readonly<
    Record<string, { readonly healthcheck?: HealthCheck; readonly depends_on?: unknown }>
  >;
}

function readServices(): Compose['services'] {
  const text = readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8');
  return (parse(text, { merge: true }) as Compose).services;
}

function healthChecks(): [service: string, check: HealthCheck][] {
  return Object.entries(readServices()).flatMap(([name, { healthcheck }]) =>
    healthcheck ? [[name, healthcheck]] : [],
  );
}

describe('the health checks of docker-compose.yml', () => {
  it.each(healthChecks())('%s: asks a socket by the tiny probe', (_service, { test }) => {
    expect(test).toEqual(['CMD', 'federate-probe', expect.stringMatching(/^\/run\/federate\/\w+\.sock$/)]);
  });

  it.each(healthChecks())('%s: has patience with a busy machine', (_service, check) => {
    expect(parseDurationMs(check.timeout)).toBeGreaterThanOrEqual(30_000);
    expect(parseDurationMs(check.start_period)).toBeGreaterThanOrEqual(60_000);
  });

  it.each(healthChecks())('%s: starts a process at most four times a minute', (_service, { interval }) => {
    expect(parseDurationMs(interval)).toBeGreaterThanOrEqual(15_000);
  });

  it('are waited for by no service, so that all start at once', () => {
    for (const { depends_on: before = [] } of Object.values(readServices()))
      expect(before).toEqual(expect.any(Array));
  });

  it.each(healthChecks())('%s: has no key that docker-compose 1.29 refuses', (_service, check) => {
    expect(Object.keys(check).sort()).toEqual(['interval', 'retries', 'start_period', 'test', 'timeout']);
  });

  it('are there for both agents and both control planes', () => {
    expect(healthChecks().map(([service]) => service)).toEqual([
      'istio-control',
      'istio-agent',
      'consul-control',
      'consul-agent',
    ]);
  });

  it('find the probe in the image', () => {
    const collect = readFileSync(join(ROOT, 'deploy/image/collect.sh'), 'utf8');
    expect(collect).toContain('for program in federate federate-probe; do');
    expect(collect).toContain('"$image/usr/local/bin/$program"');
  });
});

describe('the Dockerfile', () => {
  it('has the packages of this repository before it installs', () => {
    const manifest = readFileSync(join(ROOT, 'package.json'), 'utf8');
    const folders = [...manifest.matchAll(/"file:([^"/]+)\//g)].map(([, folder]) => folder);
    expect(folders).toContain('tools');
    const [before = ''] = readFileSync(join(ROOT, 'Dockerfile'), 'utf8').split('RUN npm ci');
    for (const folder of folders) expect(before).toContain(`\nCOPY ${folder} ${folder}\n`);
  });

  it('ends with a stage that has no shell and an unprivileged user', () => {
    const last = readFileSync(join(ROOT, 'Dockerfile'), 'utf8').split('\nFROM ').at(-1) ?? '';
    expect(last).toMatch(/^scratch\n/);
    expect(last).toContain('\nUSER 1000:1000\n');
    expect(last).not.toContain('\nRUN ');
  });
});
