import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { chartValuesSchema } from '../../tools/chart/values-schema.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const CHART = join(ROOT, 'deploy/helm/federate');
const yamlOf = (path: string): unknown => parse(readFileSync(join(CHART, path), 'utf8'));
const schema = z.fromJSONSchema(chartValuesSchema());

describe('the Helm chart', () => {
  it('has a schema of its values that is made from the schema of the config (npm run docs writes it)', async () => {
    await expect(`${JSON.stringify(chartValuesSchema(), undefined, 2)}\n`).toMatchFileSnapshot(
      join(CHART, 'values.schema.json'),
    );
  });

  it('has defaults and examples that its schema takes, and the schema names every value', () => {
    const defaults = z.record(z.string(), z.unknown()).parse(yamlOf('values.yaml'));
    expect(schema.safeParse(defaults).error).toBeUndefined();
    const named = Object.keys(z.record(z.string(), z.unknown()).parse(chartValuesSchema()['properties']));
    expect(Object.keys(defaults)).toEqual(named.filter((name) => name !== 'global'));
    const examples = readdirSync(join(CHART, 'ci'));
    expect(examples.length).toBeGreaterThan(3);
    for (const example of examples) expect(schema.safeParse(yamlOf(`ci/${example}`)).error).toBeUndefined();
  });

  it.each([
    ['a typo', { gatway: {} }],
    ['a typo in the config', { config: { endpont: {} } }],
    ['a second agent', { replicas: 2 }],
    ['a config that the chart sets', { config: { store: '/tmp/x' } }],
    ['an unknown mesh', { config: { mesh: { kind: 'nomad' } } }],
    ['a port out of range', { service: { port: 70_000 } }],
  ])('refuses %s', (_, values) => {
    expect(schema.safeParse(values).success).toBe(false);
  });

  it('carries the version of the package, and the alerts and dashboard of deploy/', () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    expect(yamlOf('Chart.yaml')).toMatchObject({ version, appVersion: version });
    expect(readlinkSync(join(CHART, 'files/alerts.yaml'))).toBe('../../../prometheus/alerts.yaml');
    expect(readlinkSync(join(CHART, 'files/dashboard.json'))).toBe('../../../grafana/federate.json');
  });
});
