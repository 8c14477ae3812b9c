import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../..');
/** Written by vitest or by npm, or of other projects. */
const PAGES = ['*.md', 'docs/**/*.md', '.github/**/*.md']
  .flatMap((pattern) => globSync(pattern, { cwd: ROOT }))
  .sort();

/** A page without its code: fenced blocks and code spans hold no links. */
function prose(page: string): string {
  return readFileSync(join(ROOT, page), 'utf8')
    .replaceAll(/^ *```[^]*?^ *```/gm, '')
    .replaceAll(/`[^`\n]*`/g, (span) => span.replaceAll(/[[\]()]/g, ''));
}

/** Targets of the links of a page that lead to files of this repository. */
function localTargets(page: string): string[] {
  return [...prose(page).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = '']) => target)
    .filter((target) => !/^[a-z]+:/.test(target));
}

/** The anchors that GitHub makes from the headings of a page. */
function anchorsOf(page: string): Set<string> {
  const text = readFileSync(join(ROOT, page), 'utf8').replaceAll(/^ *```[^]*?^ *```/gm, '');
  return new Set(
    [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
      heading
        .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}

/** Why a link of a page leads nowhere; undefined where it leads to a file and a heading of it. */
function problemOf(page: string, target: string): string | undefined {
  const [path = '', anchor] = target.split('#');
  const file = path === '' ? page : relative(ROOT, resolve(ROOT, dirname(page), path));
  if (!existsSync(join(ROOT, file))) return `${page}: ${target}: the file does not exist`;
  if (anchor !== undefined && file.endsWith('.md') && !anchorsOf(file).has(anchor))
    return `${page}: ${target}: the heading does not exist`;
  return undefined;
}

describe('links between pages', () => {
  it('lead to files and headings of this repository', () => {
    const links = PAGES.flatMap((page) => localTargets(page).map((target) => ({ page, target })));
    expect(links.length).toBeGreaterThan(100);
    expect(
      links.map(({ page, target }) => problemOf(page, target)).filter((each) => each !== undefined),
    ).toEqual([]);
  });

  it('notice a file and a heading that do not exist', () => {
    expect(problemOf('README.md', 'docs/nothing.md')).toContain('the file does not exist');
    expect(problemOf('README.md', 'docs/operations.md#nothing')).toContain('the heading does not exist');
    expect(problemOf('docs/README.md', 'operations.md#the-store')).toBeUndefined();
  });

  it('reach every page of docs/ from docs/README.md', () => {
    const linked = new Set(
      localTargets('docs/README.md').map((target) => join('docs', target.split('#')[0] ?? '')),
    );
    // The pages of the meshes are listed by the page that compares them.
    for (const target of localTargets('docs/meshes/README.md'))
      linked.add(join('docs/meshes', target.split('#')[0] ?? ''));
    const pages = PAGES.filter((page) => page.startsWith('docs/') && page !== 'docs/README.md');
    expect(pages.filter((page) => !linked.has(page))).toEqual([]);
  });
});

describe('docs/meshes', () => {
  it('has the same headings on the page of every mesh', () => {
    const expected = [
      'What is read',
      'What is written',
      'Rights',
      'States and codes',
      'Limits',
      'Traps',
      'Checks',
    ];
    const pages = PAGES.filter((page) => page.startsWith('docs/meshes/') && !page.endsWith('README.md'));
    expect(pages.length).toBe(9);
    for (const page of pages) {
      const headings = [...prose(page).matchAll(/^## (.*)$/gm)].map(([, heading = '']) => heading);
      // Only a mesh that knows services has this section.
      const services = headings.includes('Services') ? ['Services'] : [];
      expect([page, headings]).toEqual([page, expected.toSpliced(2, 0, ...services)]);
    }
  });
});
