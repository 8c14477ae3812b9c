import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkConfig } from '../../testkit/check-config.ts';
import { tempDir } from '../../testkit/temp-dir.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const page = readFileSync(join(ROOT, 'docs/sidecar.md'), 'utf8');
const examples = [...page.matchAll(/^```yaml\n([^]*?)^```/gm)].map(([, text = '']) => text);

/** Codes for the log or for the start of the process, which no caller sees. */
const NOT_ANSWERED = new Set([
  'id-not-accepted',
  'trust-domain-not-accepted',
  'path-refused',
  'trust-malformed',
  'signing-key-unusable',
  'port-in-use',
  'listen-failed',
]);

describe('docs/sidecar.md', () => {
  it.each(
    examples.map((text) => [text.split('\n').slice(-3).join(' ').trim(), text]),
  )('shows a config that is valid: …%s', (_, text) => {
    using folder = tempDir();
    writeFileSync(folder.file('sidecar.yaml'), text);
    expect(() => checkConfig('sidecar', folder.file('sidecar.yaml'))).not.toThrow();
  });

  it('explains every code that a caller can see', () => {
    const source = readFileSync(join(ROOT, 'src/demonstration/sidecar/errors.ts'), 'utf8');
    const codes = [...source.matchAll(/\| '([a-z-]+)'/g)].map(([, code = '']) => code);
    expect(codes.length).toBeGreaterThan(10);
    expect(codes.filter((code) => !NOT_ANSWERED.has(code) && !page.includes(`\`${code}\``))).toEqual([]);
  });
});
