import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { reflowed } from '../../src/cli/help/help-text.ts';
import { pageText } from '../../src/cli/help/page-text.ts';
import { helpTopics } from '../../src/cli/help/pages.ts';
import { createTerminal } from '../../src/cli/terminal.ts';
import { createView } from '../../src/cli/view.ts';
import { systemClock } from '../../src/platform/index.ts';
import { TestReader } from '../../testkit/reader.ts';

const view = createView({ columns: 80, colours: false, offsetMinutes: () => 0 });

async function help(...words: readonly string[]) {
  const reader = new TestReader();
  const code = await reader.run('help', ...words);
  return { code, out: reader.out.join('\n'), err: reader.err.join('\n') };
}

describe('federate help', () => {
  it('lists the pages with their titles', async () => {
    const { code, out } = await help('topics');
    expect(code).toBe(0);
    expect(out).toMatch(/^operations +Operations$/m);
    expect(out).toMatch(/^meshes\/istio +Istio$/m);
  });

  it.each([
    ['operations'],
    ['docs/operations.md'],
    ['istio'],
    ['meshes/istio'],
    ['meshes'],
  ])('shows the page %s', async (word) => {
    const { code, out } = await help(word);
    expect([code, out]).toEqual([0, expect.stringMatching(/^\S.*\n===/)]);
  });

  it('shows the help of a verb first, and its page with --page', async () => {
    expect((await help('rotation')).out).toContain('Usage: federate rotation');
    expect((await help('bundle', 'show')).out).toContain('Usage: federate bundle show');
    expect((await help('--page', 'rotation')).out).toMatch(/^Rotating the roots of a mesh\n=/);
  });

  it('refuses what is neither, and says what was meant', async () => {
    const { code, err } = await help('operatoins');
    expect([code, err]).toEqual([2, expect.stringContaining('did you mean "operations"? [topic-unknown]')]);
  });
});

describe('pageText()', () => {
  it.each(
    helpTopics().map(({ name, file }) => [name, file] as const),
  )('renders docs/%s.md', (_name, file) => {
    const markdown = readFileSync(file, 'utf8');
    const text = pageText(markdown, view);
    const prose = text.split('\n').filter((line) => !line.startsWith('    '));
    expect(prose.filter((line) => /\]\(|\*\*|^```|^\|/.test(line))).toEqual([]);
    // A line is longer only where one of its words is.
    const long = prose.filter((line) => line.length > 80 && line.trim().split(/ {2,}/).at(-1)?.includes(' '));
    expect(long.filter((line) => !/^(?:\S+ +){0,3}`?\S{20,}/.test(line))).toEqual([]);
    const words = (some: string) => new Set(some.match(/[A-Za-z]{4,}/g));
    const kept = words(text);
    const shown = markdown.replaceAll(/<!--[^]*?-->|\]\([^)]*\)|^ *```\w*$/gm, ' ');
    expect([...words(shown)].filter((word) => !kept.has(word))).toEqual([]);
  });

  it('renders what our pages have', () => {
    const markdown = [
      '# Title',
      '',
      'A [page](other.md), a [site](https://example.com/) and **strong `a*b` text**, *words*',
      'go on.',
      '',
      '- one',
      '  and more',
      '- two',
      '',
      '```sh',
      'federate list   # as it is',
      '```',
      '',
      '| a | b |',
      '| --- | --- |',
      '| x \\| y | `code` |',
    ].join('\n');
    expect(pageText(markdown, view)).toBe(
      [
        'Title',
        '=====',
        '',
        'A page, a site <https://example.com/> and strong `a*b` text, words go on.',
        '',
        '- one and more',
        '- two',
        '',
        '    federate list   # as it is',
        '',
        'a      b',
        'x | y  `code`',
      ].join('\n'),
    );
  });
});

describe('a long page', () => {
  const text = Array.from({ length: 30 }, (_, index) => `line ${index}`).join('\n');
  const show = async (rows: number | undefined, hasPager = true) => {
    const [out, paged]: [string[], string[]] = [[], []];
    const terminal = createTerminal(
      {
        out: (line) => void out.push(line),
        err: () => undefined,
        screen: rows === undefined ? undefined : { columns: 80, rows, write: () => undefined },
        page: async (long) => {
          if (hasPager) paged.push(long);
          return hasPager;
        },
      },
      systemClock,
    );
    await terminal.page(text);
    return { out, paged };
  };

  it('goes through the pager where the terminal has no room for it, and nowhere else', async () => {
    expect(await show(24)).toEqual({ out: [], paged: [text] });
    expect(await show(60)).toEqual({ out: [text], paged: [] });
    expect(await show(undefined)).toEqual({ out: [text], paged: [] });
    expect(await show(24, false)).toEqual({ out: [text], paged: [] });
  });
});

describe('reflowed()', () => {
  it('joins and wraps prose, and leaves examples, columns and headings', () => {
    const prose = 'one two three four\nfive six seven eight nine ten';
    expect(reflowed(`Usage: x\n\n${prose}\n\nExamples:\n  $ a b c d e f g h i j k l m n o p`, 24)).toBe(
      'Usage: x\n\none two three four five\nsix seven eight nine ten\n\nExamples:\n  $ a b c d e f g h i j k l m n o p',
    );
    const columns = 'publish   a new root is made\nactivate  it signs';
    expect(reflowed(columns, 20)).toBe(columns);
  });
});
