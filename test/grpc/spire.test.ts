import { describe, expect, it } from 'vitest';
import { spireBundleService, spireTrustDomainService } from '../../src/grpc/index.ts';

describe('spireBundleService', () => {
  it('uses the field numbers that SPIRE reads, and keeps a sequence of 64 bits', () => {
    const { requestSerialize, requestDeserialize } = spireBundleService.BatchSetFederatedBundle;
    const bundle = {
      trust_domain: 'a',
      x509_authorities: [{ asn1: Buffer.from([1]), tainted: true }],
      jwt_authorities: [{ public_key: Buffer.from([2]), key_id: 'k', expires_at: '3', tainted: false }],
      refresh_hint: '4',
      sequence_number: '18446744073709551615',
    };
    const bytes = requestSerialize({ bundle: [bundle] });
    // bundle=1 { trust_domain=1, x509=2 { asn1=1, tainted=2 }, jwt=3 { public_key=1, key_id=2, expires_at=3, tainted=4 }, hint=4, sequence=5 }
    const x509 = '12050a01011001';
    const jwt = '1a0a0a010212016b18032000';
    expect(bytes.toString('hex')).toBe(`0a230a0161${x509}${jwt}200428ffffffffffffffffff01`);
    expect(requestDeserialize(bytes)).toEqual({ bundle: [bundle] });
  });

  it('names a mode of deletion and the trust domains', () => {
    const { requestSerialize } = spireBundleService.BatchDeleteFederatedBundle;
    expect(requestSerialize({ trust_domains: ['a'], mode: 2 }).toString('hex')).toBe('0a01611002');
  });
});

describe('spireTrustDomainService', () => {
  it('asks for relationships of the configuration file too', () => {
    const { requestSerialize } = spireTrustDomainService.ListFederationRelationships;
    const page = { page_size: 5, page_token: 't', include_static: true };
    expect(requestSerialize(page).toString('hex')).toBe('10051a01742001');
  });
});
