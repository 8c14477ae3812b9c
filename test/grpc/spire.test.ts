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
  it('asks for a page of relationships without their bundles', () => {
    const { requestSerialize } = spireTrustDomainService.ListFederationRelationships;
    const output_mask = {
      bundle_endpoint_url: true,
      bundle_endpoint_profile: true,
      trust_domain_bundle: false,
    };
    const page = { page_size: 5, page_token: 't', output_mask };
    // output_mask=1 { url=1, profile=2, bundle=3 }, page_size=2, page_token=3
    expect(requestSerialize(page).toString('hex')).toBe('0a0608011001180010051a0174');
  });

  it.each([
    ['https_web', { https_web: {} }, '1a00'],
    ['https_spiffe', { https_spiffe: { endpoint_spiffe_id: 'i' } }, '22030a0169'],
  ])('writes a relationship of profile %s, and reads it again', (_name, profile, hex) => {
    const { requestSerialize, requestDeserialize } =
      spireTrustDomainService.BatchCreateFederationRelationship;
    const relationship = { trust_domain: 'a', bundle_endpoint_url: 'u', ...profile };
    const bytes = requestSerialize({ federation_relationships: [relationship] });
    expect(bytes.toString('hex')).toBe(
      `0a${(6 + hex.length / 2).toString(16).padStart(2, '0')}0a0161120175${hex}`,
    );
    expect(requestDeserialize(bytes)).toEqual({ federation_relationships: [relationship] });
  });
});
