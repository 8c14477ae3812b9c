import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { TestReader } from '../../testkit/reader.ts';

async function refused(...words: readonly string[]) {
  const reader = new TestReader();
  expect([words, await reader.run(...words)]).toEqual([words, 2]);
  expect(reader.out).toEqual([]);
  return reader.err.join('\n');
}

describe('a mistake in the words', () => {
  it.each([
    [['list', '--foo'], 'federate: "federate list" has no option "--foo" [option-unknown]'],
    [['list', '--outptu', 'json'], 'did you mean "--output"? [option-unknown]'],
    [['list', '--json'], 'did you mean "--output json"? [option-unknown]'],
    [['list', '--foo=secret value'], '"federate list" has no option "--foo'],
    [['bundle', 'show', '-x'], '"federate bundle show" has no option "-x" [option-unknown]'],
    [['--frob'], '"federate" has no option "--frob" [option-unknown]'],
    [
      ['list', 'extra'],
      '"federate list" takes no arguments, and "extra" is one too many [argument-unexpected]',
    ],
    [['show', 'a.example', 'b.example'], 'takes one argument, and "b.example" is one too many'],
    [['trust', '--again', 'a', 'b', 'c'], 'takes 2 arguments, and "c" is one too many'],
    [['show'], '"federate show" needs <trust-domain> [argument-missing]'],
    [['trust', '--again', 'b.example'], '"federate trust" needs <key> [argument-missing]'],
    [['add'], '"federate add" needs the option --peer <line|url> [option-missing]'],
    [['list', '--output'], 'the option -o, --output <format> needs a value [option-value-missing]'],
    [
      ['list', '-o', 'jsn'],
      'is one of text, json, yaml, and "jsn" is not; did you mean "json"? [option-invalid]',
    ],
    [
      ['list', '--color', 'sometimes'],
      'is one of auto, always, never, and "sometimes" is not [option-invalid]',
    ],
    [['check-config', 'x.yaml', '--kind', 'gatewya'], 'did you mean "gateway"? [option-invalid]'],
    [['rotation', 'wait', '--for', 'ues'], 'did you mean "use"? [option-invalid]'],
    [['simulate', 'rotate', 'retier'], 'did you mean "retire"? [argument-invalid]'],
    [['verify', '--jwt', 'x', '--peer-role', 'client'], 'do not go together [options-conflict]'],
    [['lsit'], 'there is no verb "lsit"; did you mean "list"? [verb-unknown]'],
    [['bundle', 'shwo'], 'there is no verb "shwo" below "bundle"; did you mean "show"? [verb-unknown]'],
    [
      ['bundle', 'history', '--limit', 'many'],
      '--limit takes a whole number from 1 to 1000; "many" is not one [option-invalid]',
    ],
    [['history', '--limit', '0'], '"0" is not one [option-invalid]'],
    [
      ['service', 'export', 'info', '--to', 'b.example', '--port', 'http=80'],
      'cannot be "http=80": a port is a number from 1 to 65535, not "http=80" [option-invalid]',
    ],
    [['bundle', 'diff', 'b.example', '--from', '-1'], '"-1" is not one [option-invalid]'],
    [['invite', '--expires', '90'], '"90" names no unit: add s, m, h or d [duration-invalid]'],
    [
      ['invite', '--expires', 'soon'],
      '--expires takes a duration such as 90m, 2h or 7d; "soon" is not one [duration-invalid]',
    ],
    [
      ['invite', '--expires', '99999999999999999d'],
      '"99999999999999999d" is longer than 36525d [duration-too-long]',
    ],
    [
      ['distrust', 'b.example', 'aaaaaa', '--for', '999999999999h'],
      'is longer than 36525d [duration-too-long]',
    ],
    [
      ['rotation', 'wait', '--for', 'use', '--timeout', '40000d'],
      'is longer than 36525d [duration-too-long]',
    ],
    [['bundle', 'sign', '--expires', '5s'], '"5s" is shorter than 1m [duration-invalid]'],
    [['change', 'b.example', '--stale-after', '0d'], '[duration-invalid]'],
  ])('%j gets one sentence with a code', async (words, expected) => {
    const err = await refused(...words);
    expect(err).toContain(expected);
    const [sentence = '', ...rest] = err.split('\n');
    expect(sentence).toMatch(/^federate: .* \[[a-z-]+\]$/);
    expect(rest.every((line) => line.startsWith('  → '))).toBe(true);
    expect(err).not.toMatch(/^error:/m);
  });

  it('says which help has the answer', async () => {
    expect(await refused('bundle', 'show', '--foo')).toContain('\n  → "federate bundle show --help" shows');
  });

  it.each(['json', 'yaml'] as const)('is a document with --output %s', async (format) => {
    const reader = new TestReader();
    expect(await reader.run('show', '--output', format)).toBe(2);
    expect(reader.err).toEqual([]);
    expect(parse(reader.out.join('\n'))).toEqual({
      error: {
        code: 'argument-missing',
        message: '"federate show" needs <trust-domain>',
        hint: '"federate show --help" shows what it takes',
        mistakes: [],
      },
    });
  });

  it('is coloured on a terminal, unless the reader wants none', async () => {
    const coloured = new TestReader({ errColumns: 80 });
    await coloured.run('show');
    expect(coloured.err[0]).toContain('\u001B[31mfederate:\u001B[39m');
    const plain = new TestReader({ errColumns: 80 });
    await plain.run('show', '--color=never');
    expect(plain.err[0]).toMatch(/^federate: /);
  });
});
