import { describe, expect, it } from 'vitest';
import { InvitationSide } from './world.ts';

describe('an invitation', () => {
  it.each([
    ['https_spiffe', 'https_spiffe'],
    ['https_web', 'https_spiffe'],
    ['https_spiffe', 'https_web'],
    ['https_web', 'https_web'],
  ] as const)('from an %s agent to an %s one sets up both directions by one line', async (ofInviter, ofNewcomer) => {
    await using a = await InvitationSide.start('a.example', { profile: ofInviter });
    await using b = await InvitationSide.start('b.example', { profile: ofNewcomer });
    const line = await a.give();
    expect(await b.take(line)).toBe('completed');
    expect(a.federated()).toEqual(['b.example active invitation']);
    expect(b.federated()).toEqual(['a.example active invitation']);
    expect(a.federation.bundles.bundleFor(b.ca.trustDomain)?.x509Authorities).toEqual([b.ca.authority]);
    expect(b.federation.bundles.bundleFor(a.ca.trustDomain)?.x509Authorities).toEqual([a.ca.authority]);
    const [given] = await a.invitations.list();
    const [taken] = await b.invitations.list();
    expect(given?.words).toMatch(/^([a-z]+ ){3}[a-z]+$/);
    expect([given?.words, given?.state]).toEqual([taken?.words, 'completed']);
    const [inA] = a.federation.status();
    const [inB] = b.federation.status();
    expect([inA?.agentId, inB?.agentId]).toEqual([b.svid?.id, a.svid?.id]);
    expect(inA?.bootstrap.detail).toBe(`invitation ${given?.id}, words: ${given?.words}`);
    expect(inA?.policy ?? 'ask-on-dangerous').toBe('ask-on-dangerous');
    expect(await a.told()).toEqual(['given']);
    expect(await b.told()).toEqual(['taken']);
  });
});
