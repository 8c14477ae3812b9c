import { describe, expect, it } from 'vitest';
import { addressOfLeader } from '../../../src/mesh-adapters/consul/leader-address.ts';

const KNOWN = ['10.0.0.1:8503', '10.0.0.2:8503', '10.0.0.3:8503'];

describe('addressOfLeader()', () => {
  it('dials the port for peers of the host that was named by its port among servers', () => {
    expect(addressOfLeader('10.0.0.3:8300', KNOWN, new Set(['10.0.0.1:8503']))).toBe('10.0.0.3:8503');
    expect(addressOfLeader('[fd00::3]:8300', ['[fd00::1]:8503', '[fd00::3]:8503'], new Set())).toBe(
      '[fd00::3]:8503',
    );
  });

  it('takes what was named where that is an address for peers', () => {
    expect(addressOfLeader('10.0.0.2:8503', KNOWN, new Set(['10.0.0.1:8503']))).toBe('10.0.0.2:8503');
  });

  it('continues with addresses that were not tried, as behind a load balancer or on one host', () => {
    expect(addressOfLeader('192.168.0.9:8300', KNOWN, new Set([KNOWN[0] ?? '']))).toBe(KNOWN[1]);
    const ports = ['127.0.0.1:1', '127.0.0.1:2', '127.0.0.1:3'];
    expect(addressOfLeader('127.0.0.1:8300', ports, new Set(['127.0.0.1:1', '127.0.0.1:2']))).toBe(
      '127.0.0.1:3',
    );
  });

  it('is left with what was named where all others were tried', () => {
    expect(addressOfLeader('10.0.0.9:8503', KNOWN, new Set(KNOWN))).toBe('10.0.0.9:8503');
    expect(addressOfLeader('10.0.0.9:8503', [], new Set())).toBe('10.0.0.9:8503');
  });
});
