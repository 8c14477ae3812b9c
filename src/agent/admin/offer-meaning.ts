import type { WaitingOffer } from '../../federation/index.ts';

/**
 * Explains an offer that waits and what to ask before deciding. For operators who do not know the
 * codes.
 */
export function meaningOf({ code, relationship }: Pick<WaitingOffer, 'code' | 'relationship'>): string {
  const name = relationship.trustDomain;
  switch (code) {
    case 'all-roots-replaced':
      return `No root in this bundle has been trusted for ${name} for long, and nothing but its web server's certificate vouches for it. An attacker who controls that server or its DNS name could have put the keys there. If ${name} has really changed all its roots, its operators can tell you the digest of the new bundle. Until you decide, what was trusted before stays trusted, and workloads under newer roots are refused.`;
    case 'all-jwt-keys-replaced':
      return `None of the JWT keys in this bundle has been trusted for ${name} for long, and nothing but its web server's certificate vouches for them. An attacker who controls that server or its DNS name could have put them there. Its operators can tell you the digest of the new bundle. Until you decide, the old keys stay trusted and tokens under the new ones are refused.`;
    case 'sequence-jumped':
      return `${name} offers a bundle whose number is far above the last one and above the time in seconds. If you accept it, every later bundle with a number below it is refused, also one in which ${name} revokes a key. An attacker who controls its endpoint can do that on purpose. A publisher that changes its way of numbering does it by mistake. Ask its operators how they number their bundles, and compare the digest. If you accept by mistake, the next lower number waits for you as "sequence-rolled-back", and can be accepted too.`;
    case 'root-names-another-trust-domain':
      return `A root in the bundle of ${name} has a SPIFFE ID of another trust domain in its certificate. Perhaps the name of the relationship is mistyped, or the URL is another peer's. Ask its operators which trust domain the root is for.`;
    case 'policy-asks-always':
      return `The relationship with ${name} is set to ask about every new key. Its operators can tell you whether they have added these. Until you decide, what is trusted stays as it is, keys that this bundle no longer has included.`;
    case 'own-root-offered':
      return `The bundle of ${name} holds a key of your own mesh. If it were accepted, your own CA could speak for ${name}; nearly always this is a mistake on their side, or an attack. Tell them, and reject it.`;
    case 'root-of-another-trust-domain':
      return `The bundle of ${name} holds a key that already belongs to another of your peers. A key may speak for one trust domain only, and one of the two is not its owner. Ask both before you accept anything.`;
    case 'distrusted-key-offered':
      return `The bundle of ${name} holds a key that you distrust under another name, so you have reason to think that it is in wrong hands. Do not accept it before its owner and ${name} have explained that.`;
    case 'sequence-rolled-back':
      return `${name} offers a bundle with a lower number than the one you hold. That happens when its server was restored from an old backup or lost its counter; it is also what replaying an old bundle looks like, to bring back a key that was revoked. Ask its operators whether they lost their counter, and compare the digest.`;
    case 'offer-rejected':
      return `You have rejected this very content, and ${name} still offers it. What was trusted before stays trusted. The rejection can be taken back.`;
    default:
      return `The bundle of ${name} is kept out for the reason above; what was trusted before stays trusted.`;
  }
}
