import { beforeAll, describe, expect, it } from 'vitest';
import { generateKeyPair } from '../../src/spiffe/index.ts';
import { judge, type Made, makeCa, makeLeaf } from './chain-maker.ts';

let root: Made;
let middle: Made;
beforeAll(async () => {
  root = await makeCa('CN=Root');
  middle = await makeCa('CN=Middle', root);
});

describe('verifyX509Path() and narrowed anchors', () => {
  it('accepts what the root signed within its trust domain, also when the real root is sent, and nothing else', async () => {
    const throwaway = await generateKeyPair('P-256');
    const narrowed = await makeCa('CN=Root', undefined, {
      keys: { publicKey: root.publicKey, privateKey: throwaway.privateKey },
      nameConstraints: {
        permittedUris: ['td.example'],
        permittedDns: ['td.example.invalid'],
        permittedEmails: ['td.example.invalid'],
        excludedIps: ['0.0.0.0/0', '::/0'],
      },
    });
    const run = async (issuer: Made, helpers: Made[], options: object) =>
      judge(
        (await makeLeaf(issuer, options)).der,
        helpers.map(({ der }) => der),
        [narrowed.der],
      );
    expect(await run(root, [], {})).toBe('accepted over 2');
    expect(await run(middle, [middle, root], {})).toBe('accepted over 3');
    expect(await run(root, [], { uriSans: ['spiffe://other.example/w'] })).toBe(
      'name-not-permitted of leaf 0',
    );
    expect(await run(root, [], { uriSans: ['spiffe://sub.td.example/w'] })).toBe(
      'name-not-permitted of leaf 0',
    );
    expect(await run(middle, [middle], { uriSans: ['spiffe://other.example/w'] })).toBe(
      'name-not-permitted of leaf 0',
    );
    expect(await run(root, [], { dnsSans: ['api.example'] })).toBe('name-not-permitted of leaf 0');
    expect(await run(root, [], { dnsSans: ['api.td.example.invalid'] })).toBe('accepted over 2');
  });
});
