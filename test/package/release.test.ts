import { describe, expect, it } from 'vitest';
import { notesOf } from '../../tools/release/notes.ts';
import { type Sbom, shippedSbom } from '../../tools/release/sbom.ts';

const CHANGELOG = `# Changelog

## [Unreleased]

- Not yet.

## [1.2.0] - 2026-11-30

### Added

- A thing, see [1.1.0].

## [1.1.0]

## [1.0.0]

- The first.

[1.2.0]: https://example.org/1.2.0
`;

describe('the notes of a release', () => {
  it('are the section of its version', () => {
    expect(notesOf(CHANGELOG, '1.2.0')).toBe('### Added\n\n- A thing, see [1.1.0].\n');
    expect(notesOf(CHANGELOG, '1.0.0')).toBe('- The first.\n');
  });

  it.each([
    ['1.1.0', 'is empty'],
    ['1.2.1', 'has no section "## [1.2.1]"'],
    ['1.2', 'has no section "## [1.2]"'],
  ])('do not exist for %s', (version, message) => {
    expect(() => notesOf(CHANGELOG, version)).toThrow(message);
  });
});

describe('the SBOM of a release', () => {
  const component = (name: string, version: string) => ({ 'bom-ref': `${name}@${version}`, name, version });
  const forDevelopment = {
    scope: 'optional',
    properties: [{ name: 'cdx:npm:package:development', value: 'true' }],
  };
  const all: Sbom = {
    bomFormat: 'CycloneDX',
    metadata: { component: { ...component('federate', '1.2.0'), name: 'a-folder' } },
    components: [
      { ...component('zod', '4.0.0'), ...forDevelopment },
      component('vitest', '5.0.0'),
      component('zod', '3.0.0'),
    ],
    dependencies: [
      { ref: 'federate@1.2.0', dependsOn: ['zod@4.0.0', 'vitest@5.0.0'] },
      { ref: 'vitest@5.0.0', dependsOn: ['zod@3.0.0'] },
      { ref: 'zod@4.0.0', dependsOn: [] },
    ],
  };

  it('has what is shipped, and no tool', () => {
    expect(shippedSbom(all, new Set(['zod@4.0.0']))).toEqual({
      ...all,
      metadata: { component: { ...component('federate', '1.2.0'), scope: 'required' } },
      components: [{ ...component('zod', '4.0.0'), scope: 'required' }],
      dependencies: [
        { ref: 'federate@1.2.0', dependsOn: ['zod@4.0.0'] },
        { ref: 'zod@4.0.0', dependsOn: [] },
      ],
    });
  });

  it('is not written without a package that is shipped', () => {
    expect(() => shippedSbom(all, new Set(['zod@4.0.0', 'undici@8.0.0']))).toThrow('no undici@8.0.0');
  });
});
