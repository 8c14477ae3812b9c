import { describe, expect, it } from 'vitest';
import { LeftOutEntries } from '../../src/federation/trust/left-out-entries.ts';
import { leftOutWarnings } from '../../src/agent/left-out-warnings.ts';
import { leftOutLines } from '../../src/cli/commands/refresh.ts';
import { describeLeftOut, describeOutcome } from '../../src/agent/admin/describe-outcome.ts';
import { parseBundle, parseTrustDomain } from '../../src/spiffe/index.ts';
import { oddRoots } from '../../testkit/odd-roots.ts';
import { createTestCa } from '../../testkit/test-ca.ts';

const td = parseTrustDomain('b.example');
const first = new Date('2030-01-01T12:00:00Z');
const later = new Date('2030-01-01T13:00:00Z');

async function notesOf(...surplus: readonly unknown[]) {
  const good = await createTestCa({ trustDomain: 'b.example' });
  const der = Buffer.from(good.root).toString('base64');
  const { x, y } = good.key.export({ format: 'jwk' });
  const sound = { kty: 'EC', crv: 'P-256', x, y, use: 'x509-svid', x5c: [der] };
  const document = JSON.stringify({ keys: [sound, ...surplus] });
  const { bundle, notes } = parseBundle(td, Buffer.from(document));
  expect(bundle.x509Authorities).toHaveLength(1);
  return notes;
}

const broken = { kty: 'RSA', n: 'AQAB', e: 'AQAB', use: 'x509-svid', x5c: ['a-b_'] };

describe('LeftOutEntries', () => {
  it('says which entry is not used and why, counted from one, since it was seen first', async () => {
    const left = new LeftOutEntries();
    left.note(td, await notesOf(broken), first);
    left.note(td, await notesOf(broken), later);
    expect(leftOutWarnings(left.list())).toEqual([
      {
        trust_domain: 'b.example',
        code: 'bundle-entries-not-used',
        message:
          '1 entry of the bundle of b.example is not used: entry 2 is ignored: x5c holds standard base64 with padding and without line breaks',
        since: first.toISOString(),
      },
    ]);
    const [line] = leftOutLines('b.example', describeLeftOut(left.of(td)));
    expect(line).toMatch(/^not used, of b\.example: entry 2 is ignored: .* \[entry-certificate-malformed\]$/);
    expect(describeOutcome(td, { kind: 'unchanged' }, left.of(td)).left_out).toMatchObject([{ entry: 2 }]);
  });

  it('forgets what the peer has mended, and what is no longer a peer', async () => {
    const left = new LeftOutEntries();
    left.note(td, await notesOf(broken), first);
    left.note(td, await notesOf(), later);
    expect([left.of(td), left.list()]).toEqual([[], []]);
    left.note(td, await notesOf(broken), first);
    left.forget(td);
    expect(left.of(td)).toEqual([]);
  });

  it('shows entries for other uses without a warning', async () => {
    const left = new LeftOutEntries();
    left.note(td, await notesOf({ kty: 'EC', use: 'wit-svid' }), first);
    expect(left.of(td)).toMatchObject([{ code: 'entry-use-unknown', index: 1 }]);
    expect(left.list()).toEqual([]);
  });

  it('names the reason for each certificate that other programs cannot read', async () => {
    const odd = oddRoots().find(({ name }) => name === 'PrintableString with _');
    const x5c = [Buffer.from(odd?.der ?? []).toString('base64')];
    const [note] = await notesOf({ ...broken, kty: 'EC', x5c });
    expect(note).toMatchObject({ code: 'entry-certificate-not-portable', index: 1 });
    expect(note?.message).toContain('its subject has a PrintableString with "_"');
  });

  it('shortens a long list', async () => {
    const left = new LeftOutEntries();
    left.note(td, await notesOf(...Array.from({ length: 8 }, () => broken)), first);
    const [warning] = leftOutWarnings(left.list());
    expect(warning?.message).toMatch(/^8 entries .* are not used: entry 2 .*; and 3 more$/);
  });
});
