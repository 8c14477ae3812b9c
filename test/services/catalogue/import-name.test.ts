import { describe, expect, it } from 'vitest';
import {
  defaultAlias,
  importName,
  parseAlias,
  parseImportName,
  parseServiceId,
} from '../../../src/services/index.ts';
import { parseTrustDomain } from '../../../src/spiffe/index.ts';

const codeOf = (code: string) => expect.objectContaining({ code });
const nobody = () => undefined;

describe('the name of an import', () => {
  it('is made of the ID, the alias of the peer and the suffix', () => {
    expect(importName(parseServiceId('web.shop'), 'west', 'federated')).toBe('web.shop.west.federated');
  });

  it.each(['svc', 'clusterset.local', 'cluster.local', 'local'])('never ends in %s', (suffix) => {
    expect(() => importName(parseServiceId('web'), 'west', suffix)).toThrow(codeOf('import-name-invalid'));
  });

  it.each([
    '',
    'info',
    'localhost',
    'info.localhost',
    'info.weather.svc.cluster.local',
    'info.weather.svc',
    'info.local',
    'Info.example',
    'in_fo.example',
    '*.example',
    'info.example.',
    '10.0.0.1',
    '127.1',
    'info.0x7f',
    `${'a.'.repeat(130)}example`,
  ])('is not %j', (name) => {
    expect(() => parseImportName(name)).toThrow(codeOf('import-name-invalid'));
  });

  it('may be any other host name', () => {
    expect(parseImportName('remarks.weather.example')).toBe('remarks.weather.example');
  });
});

describe('the alias of a peer', () => {
  it.each([
    ['istio.example', 'istio'],
    ['7c5df1c2-0000-4000-8000-123456789abc.consul', '7c5df1c2-0000-4000-8000-123456789abc'],
    ['one', 'one'],
  ])('of %s is %s', (trustDomain, alias) => {
    expect(defaultAlias(parseTrustDomain(trustDomain), nobody)).toBe(alias);
  });

  it('stays with the peer that has it', () => {
    const [west, other] = ['west.example', 'west.test'].map(parseTrustDomain);
    if (!west || !other) throw new Error('two trust domains were made');
    expect(defaultAlias(west, () => west)).toBe('west');
    expect(() => defaultAlias(other, () => west)).toThrow(codeOf('import-alias-needed'));
  });

  it.each([
    'my_mesh.example',
    '.example',
    '-a.example',
    `${'a'.repeat(64)}.example`,
  ])('must be given for %s', (trustDomain) => {
    expect(() => defaultAlias(parseTrustDomain(trustDomain), nobody)).toThrow(codeOf('import-alias-needed'));
  });

  it.each(['', 'a.b', 'A', '-a', 'a'.repeat(64)])('is not %j', (alias) => {
    expect(() => parseAlias(alias)).toThrow(codeOf('import-alias-needed'));
  });
});
