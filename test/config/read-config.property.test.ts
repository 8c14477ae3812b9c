import { writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { ConfigError } from '../../src/config/index.ts';
import { checkConfig } from '../../testkit/check-config.ts';
import { plainAgentConfig } from '../../testkit/agent-config.ts';
import { tempDir } from '../../testkit/temp-dir.ts';

let folder: ReturnType<typeof tempDir>;
beforeAll(() => {
  folder = tempDir();
});
afterAll(() => folder[Symbol.dispose]());

/** The paths of all mistakes; undefined for a config without any. */
function mistakes(text: string | Uint8Array): readonly string[] | undefined {
  const file = folder.file('agent.yaml');
  writeFileSync(file, text);
  try {
    checkConfig('agent', file);
    return undefined;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.mistakes.map(({ path }) => path);
  }
}

const good = () => ({
  trust_domain: 'a.example',
  ...plainAgentConfig(),
  mesh: { kind: 'files', own_pem_files: ['roots.pem'], foreign_folder: 'foreign' },
});

describe('checkConfig()', () => {
  it('refuses with a ConfigError or accepts, for any bytes', () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.string()), (bytes) => {
        expect(mistakes(bytes)).toBeDefined();
      }),
    );
  });

  it.each([
    ['leads nowhere', 'store: *nowhere\n'],
    ['is followed too often', `a: &a [1]\nb: &b [${'*a, '.repeat(60)}]\nc: [${'*b, '.repeat(60)}]\n`],
  ])('refuses an alias that %s', (_what, text) => {
    expect(mistakes(text)).toEqual(['']);
  });

  it('tells a field that is not a field by its path, wherever it stands', () => {
    const word = fc.stringMatching(/^[a-z]{3,12}_x$/);
    fc.assert(
      fc.property(word, fc.constantFrom('', 'endpoint', 'mesh'), fc.jsonValue(), (name, section, value) => {
        const config: Record<string, unknown> = good();
        expect(mistakes(stringify(config))).toBeUndefined();
        if (section === '') config[name] = value;
        else config[section] = { ...(config[section] as object), [name]: value };
        expect(mistakes(stringify(config))).toEqual([
          [section, name].filter((each) => each !== '').join('.'),
        ]);
      }),
    );
  });

  it('reports every field of another type', () => {
    const wrong = fc.constantFrom(null, 7, true, [], {});
    fc.assert(
      fc.property(
        fc.subarray(['listen', 'url', 'certificate_file', 'key_file'], { minLength: 1 }),
        wrong,
        (fields, value) => {
          const config = good();
          for (const field of fields) (config.endpoint as Record<string, unknown>)[field] = value;
          expect(mistakes(stringify(config))?.toSorted()).toEqual(
            fields.map((field) => `endpoint.${field}`).toSorted(),
          );
        },
      ),
    );
  });
});
