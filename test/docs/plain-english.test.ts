import { globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../..');
const LONGEST_LINE = 110;

/** Pages that a program writes, from texts that are checked where they stand. */
const GENERATED = new Set(['docs/config.md', 'docs/conformance.md']);

/**
 * Pages and rooms that are not rewritten yet. This list only gets shorter: a clean one has to be taken off.
 * `test/…` stands for the titles of its tests.
 */
const NOT_YET: readonly string[] = [];

/** What stands between two words: blanks, or the end of a line of a comment. */
const GAP = String.raw`(?:\s|\*|//)+`;

/** Turns of phrase that slow readers down, and what to write instead. */
const PHRASES: readonly { readonly pattern: string; readonly instead: string }[] = [
  { pattern: '(?<!there )is no (?!longer|more than|less than|fewer)', instead: 'is not a' },
  { pattern: '(?<!there )are no (?!longer|more than|less than|fewer)', instead: 'are not' },
  { pattern: 'whoever', instead: 'the name of the actor' },
  { pattern: 'anew', instead: 'again' },
  { pattern: 'told of', instead: 'reported' },
  { pattern: 'by then', instead: 'the time that is meant' },
  { pattern: 'somebody', instead: 'the name of the actor' },
  { pattern: 'anybody', instead: 'the name of the actor' },
  { pattern: 'everybody', instead: 'the name of the actor' },
  { pattern: 'shall', instead: 'must, or the present tense' },
  { pattern: 'should (?:it|they) (?:ever )?[a-z]+', instead: 'if it …s' },
  { pattern: 'what became of', instead: 'the result of, or the state of' },
  { pattern: 'is told', instead: 'learns, or is reported' },
  { pattern: 'hang on', instead: 'depend on' },
  { pattern: 'heed(?:s|ed)?', instead: 'follow, or obey' },
  { pattern: 'stopped to', instead: 'stopped …ing' },
  { pattern: 'not told', instead: 'does not learn' },
  { pattern: 'nobody tells', instead: 'it is not known' },
];

const matchers = PHRASES.map(({ pattern, instead }) => ({
  phrase: pattern.replace(/^\(.*?\)/, '').replace(/ \(.*/, ''),
  instead,
  matcher: new RegExp(String.raw`\b${pattern.replaceAll(' ', GAP)}\b`.replace(/\)\\b$/, ')'), 'gi'),
}));

/** The phrases in a text, each with the number of its line. */
function phrasesIn(text: string): string[] {
  return matchers.flatMap(({ phrase, instead, matcher }) =>
    [...text.matchAll(matcher)].map(
      ({ index }) => `${text.slice(0, index).split('\n').length}: "${phrase}" (write: ${instead})`,
    ),
  );
}

/** Blanks out what `pattern` matches and keeps the lines, so that numbers of lines stay right. */
function without(text: string, pattern: RegExp): string {
  return text.replaceAll(pattern, (found) => found.replaceAll(/[^\n]/g, ' '));
}

const FENCED = /^ *```[^]*?^ *```/gm;

/** What is wrong with a page: phrases outside of code, and lines of prose that are too long. */
function problemsOfPage(text: string): string[] {
  const prose = without(text, FENCED);
  return [...phrasesIn(without(prose, /`[^`\n]*`/g)), ...longLines(prose, /^(?!\s*\||#|<)/)];
}

/** What is wrong with a source file: phrases in comments and strings, and lines of comments that are too long. */
function problemsOfSource(text: string): string[] {
  return [...phrasesIn(text), ...longLines(text, /^\s*(?:\/\/(?! oxlint)|\/\*|\*)/)];
}

/** What is wrong with the titles of the tests in a file. */
function problemsOfTitles(text: string): string[] {
  const titles =
    /\b(?:it|describe)(?:\.\w+)*(?:\([^()]*\))?\(\s*(?:'((?:[^'\\\n]|\\.)*)'|"([^"\n]*)"|`([^`]*)`)/g;
  return [...text.matchAll(titles)].flatMap((found) => {
    const line = text.slice(0, found.index).split('\n').length;
    const title = found[1] ?? found[2] ?? found[3] ?? '';
    return phrasesIn(title).map((problem) => `${line}: title, ${problem.replace(/^\d+: /, '')}`);
  });
}

function longLines(text: string, kind: RegExp): string[] {
  return text
    .split('\n')
    .map((line, index) => ({ line, number: index + 1 }))
    .filter(({ line }) => line.trimEnd().length > LONGEST_LINE && kind.test(line) && !line.includes('://'))
    .map(({ line, number }) => `${number}: ${line.length} columns (write at most ${LONGEST_LINE})`);
}

/** The room of a file: a page itself, or the first folder below `src` or `test`. */
function roomOf(file: string): string {
  return file.endsWith('.md') ? file : file.split('/').slice(0, 2).join('/');
}

function problemsOf(file: string): string[] {
  const text = readFileSync(join(ROOT, file), 'utf8');
  if (file.endsWith('.md')) return problemsOfPage(text);
  return file.startsWith('src/') ? problemsOfSource(text) : problemsOfTitles(text);
}

/** Every room with what is wrong in it. */
function rooms(): Map<string, string[]> {
  const files = [
    'README.md',
    'ARCHITECTURE.md',
    'CONTRIBUTING.md',
    'docs/**/*.md',
    'src/**/*.ts',
    'test/**/*.ts',
  ]
    .flatMap((pattern) => globSync(pattern, { cwd: ROOT }))
    .filter((file) => !GENERATED.has(file) && file !== 'test/docs/plain-english.test.ts')
    .sort();
  const found = new Map<string, string[]>();
  for (const file of files) {
    const problems = found.get(roomOf(file)) ?? [];
    problems.push(...problemsOf(file).map((problem) => `${file}:${problem}`));
    found.set(roomOf(file), problems);
  }
  return found;
}

describe('plain English', () => {
  const all = rooms();

  it('is written in every page and room that is not on the list', () => {
    const problems = [...all].filter(([room]) => !NOT_YET.includes(room)).flatMap(([, found]) => found);
    expect(problems).toEqual([]);
  });

  it('is not yet written in those on the list: a clean one has to be taken off NOT_YET', () => {
    expect(NOT_YET.filter((room) => (all.get(room) ?? []).length === 0)).toEqual([]);
  });

  it('is missed where an old phrase or a long line stands, and only there', () => {
    expect(problemsOfSource('/** A key that is\n * no root. */')).toEqual(['1: "is no" (write: is not a)']);
    expect(problemsOfSource('// It is no longer held.')).toEqual([]);
    expect(problemsOfSource('// There is no bundle.')).toEqual([]);
    expect(problemsOfSource("throw new Error('whoever asks');")).toHaveLength(1);
    expect(problemsOfSource(`// ${'x'.repeat(LONGEST_LINE)}`)).toHaveLength(1);
    expect(problemsOfSource(`const x = '${'x'.repeat(LONGEST_LINE)}';`)).toEqual([]);
    expect(problemsOfPage(`The agent reads it anew.\n\n| ${'x'.repeat(LONGEST_LINE)} |`)).toHaveLength(1);
    expect(problemsOfPage('```\nsomebody\n```\n`anew`')).toEqual([]);
    expect(problemsOfTitles("it('is told of a root', () => somebody());")).toHaveLength(2);
  });
});
