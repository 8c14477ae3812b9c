import { describe, expect, it } from 'vitest';
import { sniOwner } from '../../../src/service-exchange/importer/sni-owners.ts';
import { parseTrustDomain } from '../../../src/spiffe/index.ts';

const [own, west, east] = ['example', 'west.example', 'east.example'].map(parseTrustDomain) as [
  ReturnType<typeof parseTrustDomain>,
  ReturnType<typeof parseTrustDomain>,
  ReturnType<typeof parseTrustDomain>,
];
const known = {
  own,
  peers: [west, east],
  ownSnis: new Set(['ours.test']),
  imported: new Map([
    ['a.test', east],
    ['b.test', west],
  ]),
};

describe('an SNI that a peer offers', () => {
  it.each([
    ['info.west.example', undefined],
    ['west.example', undefined],
    ['b.test', undefined],
    ['new.test', undefined],
    ['info.notwest.example', own],
    ['info.east.example', east],
    ['east.example', east],
    ['info.example', own],
    ['example', own],
    ['ours.test', own],
    ['a.test', east],
  ])('%s belongs to %s', (sni, owner) => {
    expect(sniOwner(sni, west, known)).toBe(owner);
  });
});
