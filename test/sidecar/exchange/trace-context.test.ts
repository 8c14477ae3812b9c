import { describe, expect, it } from 'vitest';
import { continueTrace, traceHeaders } from '../../../src/demonstration/sidecar/exchange/trace-context.ts';
import type { Random } from '../../../src/platform/index.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const PARENT = 'b7ad6b7169203331';
const random: Random = { fraction: () => 0.5, bytes: (length) => Buffer.alloc(length, 0xab) };
const zero: Random = { fraction: () => 0, bytes: (length) => Buffer.alloc(length) };

const started = (headers: Record<string, string | string[]>) =>
  continueTrace(headers, random).parentId === undefined;

describe('continueTrace()', () => {
  it('keeps the trace and its state, and gives this hop an ID', () => {
    const trace = continueTrace(
      { traceparent: `00-${TRACE}-${PARENT}-01`, tracestate: 'congo=t61rcWkgMzE, rojo=00f067aa0ba902b7' },
      random,
    );
    expect(trace).toMatchObject({ traceId: TRACE, parentId: PARENT, spanId: 'abababababababab' });
    expect(traceHeaders(trace)).toEqual({
      traceparent: `00-${TRACE}-abababababababab-01`,
      tracestate: 'congo=t61rcWkgMzE,rojo=00f067aa0ba902b7',
    });
  });

  it('starts a recorded trace where there is none, never with an ID of zeros', () => {
    expect(traceHeaders(continueTrace({ tracestate: 'a=b' }, random))).toEqual({
      traceparent: `00-${'ab'.repeat(16)}-${'ab'.repeat(8)}-03`,
      tracestate: undefined,
    });
    expect(traceHeaders(continueTrace({}, zero)).traceparent).toMatch(/^00-0{31}1-0{15}1-03$/);
  });

  it.each([
    ['not hexadecimal', `00-${TRACE.replace('0', 'g')}-${PARENT}-01`],
    ['upper case', `00-${TRACE.toUpperCase()}-${PARENT}-01`],
    ['too short', `00-${TRACE}-${PARENT.slice(1)}-01`],
    ['too long for its version', `00-${TRACE}-${PARENT}-01-more`],
    ['of the forbidden version', `ff-${TRACE}-${PARENT}-01`],
    ['a trace ID of zeros', `00-${'0'.repeat(32)}-${PARENT}-01`],
    ['a parent ID of zeros', `00-${TRACE}-${'0'.repeat(16)}-01`],
    ['sent twice', `00-${TRACE}-${PARENT}-01, 00-${TRACE}-${PARENT}-01`],
    ['a newer version with a wrong separator', `01-${TRACE}-${PARENT}-01.more`],
    ['empty', ''],
    ['blank around it', ` 00-${TRACE}-${PARENT}-01`],
  ])('starts another trace where traceparent is %s, without its state', (_, traceparent) => {
    expect(started({ traceparent, tracestate: 'a=b' })).toBe(true);
    expect(continueTrace({ traceparent, tracestate: 'a=b' }, random).state).toBeUndefined();
  });

  it('reads a newer version as version 00, and clears flags that it does not know', () => {
    const trace = continueTrace({ traceparent: `cc-${TRACE}-${PARENT}-ff-what-comes` }, random);
    expect(traceHeaders(trace).traceparent).toBe(`00-${TRACE}-abababababababab-03`);
    expect(continueTrace({ traceparent: `00-${TRACE}-${PARENT}-fc` }, random).flags).toBe('00');
  });

  it.each([
    ['33 members', Array.from({ length: 33 }, (_, index) => `k${index}=v`).join(',')],
    ['a name twice', 'a=1,a=2'],
    ['a member without a value', 'a'],
    ['an upper-case name', 'A=1'],
    ['a control character', 'a=\u0001'],
    ['an equals sign in a value', 'a=b=c'],
    ['nothing', ' , '],
    [
      'too many bytes',
      `a=${'x'.repeat(250)},${Array.from({ length: 31 }, (_, i) => `k${i}=${'x'.repeat(250)}`).join(',')}`,
    ],
  ])('drops a tracestate with %s, and keeps the trace', (_, tracestate) => {
    const trace = continueTrace({ traceparent: `00-${TRACE}-${PARENT}-01`, tracestate }, random);
    expect(trace).toMatchObject({ traceId: TRACE, state: undefined });
  });
});
