import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { WARNING_CODES } from '../../src/admin/index.ts';
import { documentedMetrics } from '../../testkit/documented-metrics.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(resolve(ROOT, path), 'utf8');

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: { readonly severity: string };
}

const rules: readonly Rule[] = parse(read('deploy/prometheus/alerts.yaml')).groups[0].rules;
const dashboard: readonly string[] = [
  ...read('deploy/grafana/federate.json').matchAll(/"(?:expr|definition)": "((?:[^"\\]|\\.)*)"/g),
].map(([, text = '']) => JSON.parse(`"${text}"`));

/** Each of our metrics in a query, with the labels that the query selects by. */
function usedIn(query: string): { name: string; labels: string[] }[] {
  return [...query.matchAll(/\b(federate_\w+)(?:\{([^}]*)\})?/g)].map(([, name = '', selector = '']) => ({
    name: name.replace(/_bucket$/, ''),
    labels: [...selector.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].map(([, label = '']) => label),
  }));
}

/** Codes of warnings that a query names. */
function codesIn(query: string): string[] {
  return [...query.matchAll(/code(?:=~|!~|=)"([^"]+)"/g)].flatMap(([, text = '']) => {
    const [, head, choices = '', tail] = /^(.*)\((.*)\)(.*)$/.exec(text) ?? [];
    return choices === '' ? text.split('|') : choices.split('|').map((each) => `${head}${each}${tail}`);
  });
}

describe('alerts and dashboard', () => {
  const known = new Map(
    [...documentedMetrics('of an agent'), ...documentedMetrics('of a gateway or a sidecar')].map((metric) => [
      metric.name,
      new Set([...metric.labels, 'instance', 'job']),
    ]),
  );

  it.each([
    ['deploy/prometheus/alerts.yaml', rules.map(({ expr }) => expr)],
    ['deploy/grafana/federate.json', dashboard],
  ])('%s uses only metrics and labels that there are', (_, queries) => {
    const used = queries.flatMap(usedIn);
    expect(used.length).toBeGreaterThan(20);
    expect(
      used.flatMap(({ name, labels }) => {
        const own = known.get(name);
        return own ? labels.filter((label) => !own.has(label)).map((label) => `${name}{${label}}`) : [name];
      }),
    ).toEqual([]);
  });

  it('show every metric that says something about the work of an agent or a gateway', () => {
    const shown = new Set(dashboard.flatMap(usedIn).map(({ name }) => name));
    const inAlerts = new Set(rules.flatMap(({ expr }) => usedIn(expr)).map(({ name }) => name));
    // The sidecar is a part of the demonstration.
    const product = [...known.keys()].filter((name) => !name.startsWith('federate_sidecar_'));
    const neither = product.filter((name) => !shown.has(name) && !inAlerts.has(name));
    expect(neither).toEqual(['federate_svid_warnings_total', 'federate_open_invitations']);
  });

  it('name only codes of warnings that there are, each in one alert, and the last alert has the rest', () => {
    const named = rules.slice(0, -1).flatMap(({ expr }) => codesIn(expr));
    expect(named.filter((code) => !(WARNING_CODES as readonly string[]).includes(code))).toEqual([]);
    expect(new Set(named).size).toBe(named.length);
    const rest = rules.at(-1);
    expect(rest?.alert).toBe('FederateWarnings');
    // The codes whose subject has a metric of its own, with an alert on that.
    const byMetric = [
      'mesh-unreachable',
      'store-unusable',
      'offer-waits',
      'peer-roots-end',
      'peer-roots-ended',
      'own-root-ends',
      'own-root-ended',
    ];
    expect(codesIn(rest?.expr ?? '').toSorted()).toEqual([...named, ...byMetric].toSorted());
  });

  it('are each explained in docs/monitoring.md with their severity, and tested both ways', () => {
    const rows = read('docs/monitoring.md')
      .split('\n')
      .filter((line) => line.startsWith('| `Federate'))
      .map((line) => line.split('|').map((cell) => cell.trim().replaceAll('`', '')));
    expect(rows.map(([, name, severity]) => [name, severity])).toEqual(
      rules.map(({ alert, labels }) => [alert, labels.severity]),
    );
    const tests: readonly { readonly name: string }[] = parse(
      read('deploy/prometheus/alerts.test.yaml'),
    ).tests;
    expect(tests.map(({ name }) => name)).toEqual(
      rules.flatMap(({ alert }) => [`${alert} fires`, `${alert} is silent`]),
    );
  });
});
