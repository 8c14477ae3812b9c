import { describe, expect, it } from 'vitest';
import { CodedError } from '../../src/spiffe/index.ts';
import { writtenFields } from '../../src/platform/json-log.ts';

describe('writtenFields()', () => {
  it('writes every name of a field in snake_case, at every level, and keeps names that are data', () => {
    const { error, ...fields } = writtenFields({
      trustDomain: 'b.example',
      trust_domain: 'b.example',
      endpointURL: 'https://b.example/',
      trace: { durationMs: 3, redirects: [{ statusCode: 301 }] },
      by: { 'b.example': 1, 'spiffe://b.example/x': 2 },
      sequence: 18446744073709551615n,
      at: new Date('2030-01-01T00:00:00Z'),
      error: new CodedError('port-in-use', 'another process listens there'),
    });
    expect(fields).toEqual({
      trust_domain: 'b.example',
      endpoint_url: 'https://b.example/',
      trace: { duration_ms: 3, redirects: [{ status_code: 301 }] },
      by: { 'b.example': 1, 'spiffe://b.example/x': 2 },
      sequence: '18446744073709551615',
      at: new Date('2030-01-01T00:00:00Z'),
    });
    expect(error).toEqual({ code: 'port-in-use', message: 'another process listens there' });
  });
});
