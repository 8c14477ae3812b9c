import { describe, expect, it } from 'vitest';
import { CodedError, hasCode, messageOf, sentenceOf } from '../../src/errors/index.ts';

/** An error as Node.js makes it where several addresses of a name were tried. */
function withoutMessage(): Error {
  return Object.assign(new AggregateError([]), { code: 'ECONNREFUSED' });
}

describe('messageOf()', () => {
  it('gives the message of an error, and anything else as text', () => {
    expect(messageOf(new TypeError('no such name'))).toBe('no such name');
    expect(messageOf(42)).toBe('42');
    expect(messageOf(undefined)).toBe('undefined');
  });
});

describe('hasCode()', () => {
  it('compares the code of an error, and of nothing else', () => {
    expect(hasCode(new CodedError('mesh-not-found', 'it is gone'), 'mesh-not-found')).toBe(true);
    expect(hasCode(new CodedError('mesh-conflict', 'it was changed'), 'mesh-not-found')).toBe(false);
    expect(hasCode(new Error('ENOENT'), 'ENOENT')).toBe(false);
    expect(hasCode({ code: 'ENOENT' }, 'ENOENT')).toBe(false);
  });
});

describe('sentenceOf()', () => {
  it('joins the message and those of the causes, first the error itself', () => {
    const cause = new Error('no reading', { cause: new Error('no disk') });
    expect(sentenceOf(new CodedError('failed', 'no start', { cause }))).toBe('no start: no reading: no disk');
  });

  it('leaves out a cause that an earlier message quotes', () => {
    const cause = new Error('connect ECONNREFUSED', { cause: new Error('the port is closed') });
    expect(sentenceOf(new Error('asking failed: connect ECONNREFUSED', { cause }))).toBe(
      'asking failed: connect ECONNREFUSED: the port is closed',
    );
  });

  it('names an error without a message by its code', () => {
    expect(sentenceOf(new Error('no answer', { cause: withoutMessage() }))).toBe('no answer: ECONNREFUSED');
    expect(sentenceOf(withoutMessage())).toBe('ECONNREFUSED');
  });

  it('takes the line end of OpenSSL away, and leaves out a cause that is a document', () => {
    expect(sentenceOf(new Error('no TLS', { cause: new Error('wrong version\n') }))).toBe(
      'no TLS: wrong version',
    );
    expect(sentenceOf(new Error('the config is wrong', { cause: new Error('[\n  {}\n]') }))).toBe(
      'the config is wrong',
    );
  });

  it('reads a cause that is not an error, and anything that was thrown', () => {
    expect(sentenceOf(new Error('stopped', { cause: 'by hand' }))).toBe('stopped: by hand');
    expect(sentenceOf('thrown text')).toBe('thrown text');
  });

  it('is bounded where causes are endless or long', () => {
    const endless = new Error('round');
    endless.cause = new Error('and round', { cause: endless });
    expect(sentenceOf(endless)).toBe('round: and round');
    expect(sentenceOf(new Error('long', { cause: new Error('x'.repeat(9000)) }))).toHaveLength(506);
  });
});
