import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { commentedConfig } from '../../src/config/commented-config.ts';
import { plainAgentConfig } from '../../testkit/agent-config.ts';

const value = {
  ...plainAgentConfig(),
  trust_domain: 'a.example',
  mesh: { kind: 'files', own_pem_files: ['roots.pem', 'it: is "odd" #.pem'], foreign_folder: 'foreign' },
};

describe('commentedConfig', () => {
  it('says the same as the value, in lines that fit', () => {
    const text = commentedConfig('agent', value, 'A heading.');
    expect(parse(text)).toEqual(value);
    const comments = text.split('\n').filter((line) => line.trimStart().startsWith('#'));
    expect(comments[0]).toBe('# A heading.');
    expect(Math.max(...comments.map((line) => line.length))).toBeLessThanOrEqual(100);
  });

  it('has the description of each field above it, also of the chosen variant', () => {
    const lines = commentedConfig('agent', value, 'A heading.').split('\n');
    const above = (start: string) => lines[lines.findIndex((line) => line.trimStart().startsWith(start)) - 1];
    expect(above('store:')).toBe('# The SQLite store; created with mode 0600 when it is not there.');
    expect(above('profile:')).toContain('Web PKI certificate');
    expect(above('foreign_folder:')).toContain('Folder into which foreign bundles are written');
  });

  it('takes another comment where one is given', () => {
    const text = commentedConfig('agent', value, 'A heading.', { 'mesh.own_pem_files': 'For a trial.' });
    expect(text).toContain('  # For a trial.\n  own_pem_files:');
  });
});
