import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { documentedMetrics } from '../../testkit/documented-metrics.ts';

const SOURCE = resolve(import.meta.dirname, '../../src');
const MADE = /\.(counter|gauge|histogram)\(\s*'(federate_\w+)',\s*(?:'[^']*'|"[^"]*")(?:,\s*\[([^\]]*)\])?/g;

/** Every instrument that the source makes, with its kind and labels. */
function made(): { name: string; kind: string; labels: string[] }[] {
  const files = readdirSync(SOURCE, { recursive: true, encoding: 'utf8' }).filter((path) =>
    path.endsWith('.ts'),
  );
  return files.flatMap((path) =>
    [...readFileSync(join(SOURCE, path), 'utf8').matchAll(MADE)].map(
      ([, kind = '', name = '', labels = '']) => ({
        name,
        kind,
        labels: [...labels.matchAll(/'(\w+)'/g)].map(([, label = '']) => label),
      }),
    ),
  );
}

describe('docs/operations.md', () => {
  it('lists every metric that a process can render, with its kind and labels, and no other', () => {
    const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1);
    const documented = [
      ...documentedMetrics('of an agent'),
      ...documentedMetrics('of a gateway or a sidecar'),
    ];
    const inSource = made();
    // A histogram has its buckets between the help and the labels, and none of ours has labels.
    expect(inSource.length).toBeGreaterThan(20);
    expect(documented.map(({ ...each }) => each).sort(byName)).toEqual(inSource.sort(byName));
  });
});
