import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { openQuestions, type Question } from '../../src/cli/ask.ts';
import { main } from '../../src/cli/main.ts';
import { tempDir } from '../../testkit/temp-dir.ts';

async function run(...words: string[]): Promise<{ code: number; out: string; err: string }> {
  const out: string[] = [];
  const err: string[] = [];
  const code = await main(words, { out: (text) => out.push(text), err: (text) => err.push(text) });
  return { code, out: out.join('\n'), err: err.join('\n') };
}

/** Asks one question of an operator who types these lines and then ends the input. */
async function answerTo(question: Question, typed: string): Promise<{ answer: string; shown: string }> {
  const [input, output] = [new PassThrough(), new PassThrough()];
  let shown = '';
  output.on('data', (chunk: Buffer) => (shown += chunk.toString('utf8')));
  using questions = openQuestions(input, output);
  const answer = questions.ask(question);
  input.end(typed);
  return { answer: await answer, shown };
}

describe('federate init', () => {
  it('writes a config, names what comes next in text and JSON, and refuses a second time with 1', async () => {
    using home = tempDir();
    const first = await run('init', home.file('a'), '--yes');
    expect(first.code).toBe(0);
    expect(first.out).toContain(`federate agent --config ${home.file('a/agent.yaml')}`);
    const second = await run('init', home.file('b'), '--yes', '--output', 'json');
    expect(JSON.parse(second.out)).toMatchObject({
      config: home.file('b/agent.yaml'),
      trust_domain: 'b.example',
      trial_ca: true,
      next: expect.arrayContaining([expect.objectContaining({ command: expect.stringContaining('invite') })]),
    });
    const again = await run('init', home.file('a'), '--yes');
    expect([again.code, again.err]).toEqual([1, expect.stringContaining('[init-exists]')]);
  });

  it.each([
    ['no terminal and no --yes', []],
    ['an unknown mesh', ['--yes', '--mesh', 'teapot']],
    ['a certificate without its key', ['--yes', '--certificate', 'tls.crt']],
    ['a trust domain that is none', ['--yes', '--trust-domain', 'A B']],
    ['a URL that is none', ['--yes', '--url', 'a.example']],
  ])('answers %s with exit code 2', async (_what, words) => {
    using home = tempDir();
    const { code, err } = await run('init', home.file('a'), ...words);
    expect(code).toBe(2);
    expect(err).not.toBe('');
  });
});

describe('a question on a terminal', () => {
  it('takes the usual answer for an empty line, and a choice by its number', async () => {
    expect((await answerTo({ text: 'Name', usual: 'a.example' }, '\n')).answer).toBe('a.example');
    expect((await answerTo({ text: 'Mesh', choices: ['files', 'istio'] }, '2\n')).answer).toBe('istio');
  });

  it('comes again with the reason after an answer that cannot be used', async () => {
    const check = (text: string) => {
      if (text !== 'good') throw new RangeError('that is not good');
    };
    const { answer, shown } = await answerTo({ text: 'Name', check }, '\nbad\ngood\n');
    expect(answer).toBe('good');
    expect(shown).toContain('An answer is needed.');
    expect(shown).toContain('that is not good');
  });

  it('is called off by the end of the input', async () => {
    await expect(answerTo({ text: 'Name' }, '')).rejects.toMatchObject({ code: 'init-called-off' });
  });
});
