/** One document, what is odd about it, and by which code it is refused. */
export interface HostileDocument {
  readonly is: string;
  readonly bytes: string | Uint8Array;
  readonly code: string;
}

const MORE_THAN_64_BITS = '18446744073709551616';

/**
 * Documents that are no bundle, each made from `good`, a bundle document with a `spiffe_sequence`, so that nothing but the
 * fault keeps it out. `entry` is one entry of it as JSON.
 */
export function hostileDocuments(good: string, entry: string): readonly HostileDocument[] {
  const withSequence = (sequence: string) =>
    good.replace(/"spiffe_sequence":\s*\d+/, `"spiffe_sequence":${sequence}`);
  const withMember = (member: string) => good.replace('{', `{${member},`);
  const entries = (count: number) => `{"keys":[${Array.from({ length: count }, () => entry).join(',')}]}`;
  const nested = (depth: number) => withMember(`"x":${'['.repeat(depth)}${']'.repeat(depth)}`);
  return [
    { is: 'nothing at all', bytes: '', code: 'bundle-not-json' },
    { is: 'an error page', bytes: '<html>200 OK</html>', code: 'bundle-not-json' },
    { is: 'an empty object', bytes: '{}', code: 'bundle-not-a-bundle' },
    { is: 'keys that are null', bytes: '{"keys":null}', code: 'bundle-not-a-bundle' },
    { is: 'keys that are an object', bytes: '{"keys":{}}', code: 'bundle-not-a-bundle' },
    { is: 'keys that are a string', bytes: '{"keys":"[]"}', code: 'bundle-not-a-bundle' },
    { is: 'keys in capitals', bytes: good.replace('"keys"', '"Keys"'), code: 'bundle-not-a-bundle' },
    { is: 'an array', bytes: `[${good}]`, code: 'bundle-not-a-bundle' },
    { is: 'a string', bytes: JSON.stringify(good), code: 'bundle-not-a-bundle' },
    { is: 'null', bytes: 'null', code: 'bundle-not-a-bundle' },
    { is: 'half a document', bytes: good.slice(0, good.length / 2), code: 'bundle-not-json' },
    { is: 'two documents', bytes: `${good}${good}`, code: 'bundle-not-json' },
    { is: 'a document and a NUL', bytes: `${good}\0`, code: 'bundle-not-json' },
    { is: 'a byte order mark', bytes: `\ufeff${good}`, code: 'bundle-not-json' },
    {
      is: 'invalid UTF-8',
      bytes: Buffer.concat([
        Buffer.from('{"x":"'),
        Buffer.from([0xc3, 0x28]),
        Buffer.from(`",${good.slice(1)}`),
      ]),
      code: 'bundle-not-json',
    },
    {
      is: 'an overlong UTF-8 quote',
      bytes: Buffer.concat([
        Buffer.from('{"x":"'),
        Buffer.from([0xc0, 0xa2]),
        Buffer.from(`",${good.slice(1)}`),
      ]),
      code: 'bundle-not-json',
    },
    { is: 'UTF-16', bytes: Buffer.from(good, 'utf16le'), code: 'bundle-not-json' },
    { is: 'NaN', bytes: withMember('"x":NaN'), code: 'bundle-not-json' },
    { is: 'Infinity', bytes: withMember('"x":-Infinity'), code: 'bundle-not-json' },
    { is: 'a comment', bytes: `/* hello */${good}`, code: 'bundle-not-json' },
    { is: 'a comma too many', bytes: good.replace(/\}\s*$/, ',}'), code: 'bundle-not-json' },
    { is: 'keys twice', bytes: withMember('"keys":[]'), code: 'bundle-not-json' },
    { is: 'keys twice, once escaped', bytes: withMember('"\\u006beys":[]'), code: 'bundle-not-json' },
    { is: 'a sequence twice', bytes: withMember('"spiffe_sequence":1'), code: 'bundle-not-json' },
    {
      is: 'a use twice in one entry',
      bytes: good.replace('"use"', '"use":"jwt-svid","use"'),
      code: 'bundle-not-json',
    },
    {
      is: 'an unknown member twice, deep inside',
      bytes: withMember('"x":[{"a":1,"a":2}]'),
      code: 'bundle-not-json',
    },
    { is: 'deep nesting', bytes: nested(17), code: 'bundle-too-large' },
    { is: 'very deep nesting', bytes: nested(200_000), code: 'bundle-too-large' },
    { is: 'nesting that is never closed', bytes: '['.repeat(500_000), code: 'bundle-too-large' },
    { is: 'a thousand entries and one more', bytes: entries(1001), code: 'bundle-too-many-entries' },
    {
      is: 'half a million entries',
      bytes: `{"keys":[${'0,'.repeat(499_999)}0]}`,
      code: 'bundle-too-many-entries',
    },
    { is: 'a sequence as a string', bytes: withSequence('"7"'), code: 'bundle-sequence' },
    { is: 'a sequence with a fraction', bytes: withSequence('7.5'), code: 'bundle-sequence' },
    { is: 'a sequence with a fraction of zero', bytes: withSequence('7.0'), code: 'bundle-sequence' },
    { is: 'a sequence with an exponent', bytes: withSequence('1e3'), code: 'bundle-sequence' },
    { is: 'a negative sequence', bytes: withSequence('-1'), code: 'bundle-sequence' },
    { is: 'a sequence of minus zero', bytes: withSequence('-0'), code: 'bundle-sequence' },
    { is: 'a sequence with a leading zero', bytes: withSequence('07'), code: 'bundle-not-json' },
    { is: 'a sequence of 2^64', bytes: withSequence(MORE_THAN_64_BITS), code: 'bundle-sequence' },
    { is: 'a sequence of a megabyte', bytes: withSequence('9'.repeat(900_000)), code: 'bundle-sequence' },
    { is: 'a sequence that is true', bytes: withSequence('true'), code: 'bundle-sequence' },
    { is: 'a sequence that is a list', bytes: withSequence('[7]'), code: 'bundle-sequence' },
    {
      is: 'a hint as a string',
      bytes: withMember('"spiffe_refresh_hint":"60"'),
      code: 'bundle-refresh-hint',
    },
    {
      is: 'a hint with a fraction',
      bytes: withMember('"spiffe_refresh_hint":1.5'),
      code: 'bundle-refresh-hint',
    },
  ];
}
