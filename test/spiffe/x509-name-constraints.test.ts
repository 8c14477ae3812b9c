import { beforeAll, describe, expect, it } from 'vitest';
import { CONSTRUCTED, CONTEXT, Tag } from '../../src/spiffe/base/der.ts';
import { derElement, derInteger, derObjectIdentifier } from '../../src/spiffe/base/der-writer.ts';
import { parseCertificate } from '../../src/spiffe/index.ts';
import { codeOf } from './attempt.ts';
import { judge, type Made, type MakeOptions, makeCa, makeLeaf } from './chain-maker.ts';

let root: Made;
beforeAll(async () => {
  root = await makeCa('CN=Root');
});

const WITHIN = 'accepted over 3';
const OUTSIDE = 'name-not-permitted of leaf 0';
const UNPROCESSABLE = 'name-constraint-unprocessable of leaf 0';

const text = (tag: number, value: string) => derElement(CONTEXT | tag, Buffer.from(value, 'latin1'));
const email = (value: string) => text(1, value);
const dns = (value: string) => text(2, value);
const uri = (value: string) => text(6, value);
const ip = (...bytes: number[]) => derElement(CONTEXT | 7, Uint8Array.from(bytes));
const name = (...attributes: [oid: string, value: string][]) =>
  derElement(
    Tag.sequence,
    ...attributes.map(([oid, value]) =>
      derElement(
        Tag.set,
        derElement(Tag.sequence, derObjectIdentifier(oid), derElement(Tag.utf8String, Buffer.from(value))),
      ),
    ),
  );
const directory = (der: Uint8Array) => derElement(CONTEXT | CONSTRUCTED | 4, der);
const otherName = derElement(
  CONTEXT | CONSTRUCTED | 0,
  derObjectIdentifier('1.2.3.4'),
  derElement(CONTEXT | CONSTRUCTED | 0, derElement(Tag.null)),
);
const subtree = (base: Uint8Array, ...bounds: Uint8Array[]) => derElement(Tag.sequence, base, ...bounds);

function constraints(permitted: Uint8Array[], excluded: Uint8Array[] = [], critical = true) {
  const list = (tag: number, subtrees: Uint8Array[]) =>
    subtrees.length > 0 ? [derElement(CONTEXT | CONSTRUCTED | tag, ...subtrees)] : [];
  return {
    oid: '2.5.29.30',
    critical,
    value: derElement(Tag.sequence, ...list(0, permitted), ...list(1, excluded)),
  };
}

const names = (...sans: Uint8Array[]) => ({
  oid: '2.5.29.17',
  critical: true,
  value: derElement(Tag.sequence, ...sans),
});

/** What becomes of a leaf with these names below a CA with these constraints. */
async function judgeLeaf(
  extension: ReturnType<typeof constraints>,
  sans: Uint8Array[],
  more: MakeOptions = {},
): Promise<string> {
  const ca = await makeCa('CN=Middle', root, { extensions: [extension] });
  const { der } = await makeLeaf(ca, { extensions: sans.length > 0 ? [names(...sans)] : [], ...more });
  return judge(der, [ca.der], [root.der]);
}

async function judgeBoth(base: Uint8Array, san: Uint8Array): Promise<[permitted: string, excluded: string]> {
  return [
    await judgeLeaf(constraints([subtree(base)]), [san]),
    await judgeLeaf(constraints([], [subtree(base)]), [san]),
  ];
}

/** What a name is to a base: inside, outside, or neither can be told. */
const IN = [WITHIN, OUTSIDE];
const OUT = [OUTSIDE, WITHIN];
const NEITHER = [UNPROCESSABLE, UNPROCESSABLE];

describe('URI constraints', () => {
  it.each([
    ['td.example', 'spiffe://td.example/w', IN],
    ['td.example', 'spiffe://x.td.example/w', OUT],
    ['td.example', 'spiffe://xtd.example/w', OUT],
    ['TD.Example', 'spiffe://td.example/w', IN],
    ['.td.example', 'spiffe://td.example/w', OUT],
    ['.td.example', 'spiffe://x.td.example/w', IN],
    ['.td.example', 'spiffe://y.x.td.example/w', IN],
    ['td.example', 'https://user@td.example:8443/?q#f', IN],
    ['td.example', 'https://td.example@evil.example/', OUT],
    ['td.example', 'https://TD.EXAMPLE', IN],
    ['td.1st.example', 'https://td.1st.example/', IN],
  ] as const)('hold %s against %s (X509-31)', async (base, value, expected) => {
    expect(await judgeBoth(uri(base), uri(value))).toEqual(expected);
  });

  it.each([
    'spiffe://10.0.0.1/w',
    'spiffe://10.0.0.17/w',
    '1https://td.example/w',
    'https://td:80.example/',
    'spiffe://td/w',
    'spiffe://td.example./w',
    'https://[::1]/w',
    'urn:uuid:1',
    'spiffe:///w',
    'mailto:a@td.example',
    'https://td%2eexample/',
    'spiffe://td.example\u00e9/w',
  ])('refuse %s, which has no fully qualified host (X509-32)', async (value) => {
    expect(await judgeBoth(uri('td.example'), uri('spiffe://td.example/w'))).toEqual(IN);
    expect(await judgeBoth(uri('td.example'), uri(value))).toEqual(NEITHER);
  });

  it.each([
    'spiffe://td.example',
    '',
    '.',
    'td..example',
    '*.example',
  ])('that are not a host refuse every URI: %j (X509-33)', async (base) => {
    expect(await judgeBoth(uri(base), uri('spiffe://td.example/w'))).toEqual(NEITHER);
    expect(await judgeLeaf(constraints([subtree(uri(base))]), [dns('a.example')])).toBe(WITHIN);
  });
});

describe('DNS constraints', () => {
  it.each([
    ['td.example', 'td.example', IN],
    ['td.example', 'A.TD.example', IN],
    ['td.example', 'a.b.td.example', IN],
    ['td.example', 'atd.example', OUT],
    ['td.example', 'example', OUT],
    ['td.example', '*.td.example', IN],
    ['', 'td.example', IN],
    ['td.example', '.td.example', NEITHER],
    ['td.example', 'td.example.', NEITHER],
    ['td.example', 'a b.td.example', NEITHER],
    ['td.example', '\u00e4.td.example', NEITHER],
    ['.td.example', 'a.td.example', NEITHER],
    ['*.td.example', 'a.td.example', NEITHER],
  ] as const)('hold %j against %s (X509-33)', async (base, value, expected) => {
    expect(await judgeBoth(dns(base), dns(value))).toEqual(expected);
  });

  it('refuse a wildcard that stands for an excluded name (X509-33)', async () => {
    const excluded = constraints([], [subtree(dns('a.td.example'))]);
    expect(await judgeLeaf(excluded, [dns('b.td.example')])).toBe(WITHIN);
    expect(await judgeLeaf(excluded, [dns('*.td.example')])).toBe(OUTSIDE);
    expect(await judgeLeaf(excluded, [dns('*.b.td.example')])).toBe(WITHIN);
    const longer = constraints([], [subtree(dns('Abc.TD.example'))]);
    expect(await judgeLeaf(longer, [dns('*.td.example')])).toBe(OUTSIDE);
    expect(await judgeLeaf(longer, [dns('*.example')])).toBe(WITHIN);
  });
});

describe('e-mail constraints', () => {
  it.each([
    ['a@td.example', 'a@td.example', IN],
    ['a@td.example', 'a@TD.EXAMPLE', IN],
    ['a@td.example', 'A@td.example', OUT],
    ['a@td.example', 'a@other.example', OUT],
    ['first.last@td.example', 'first.last@td.example', IN],
    ['td.example', 'first.last+x@td.example', IN],
    ['td.example', '@td.example', NEITHER],
    ['td.example', 'b\u00e9@td.example', NEITHER],
    ['td.example', 'a@td.example', IN],
    ['td.example', 'a@x.td.example', OUT],
    ['.td.example', 'a@x.td.example', IN],
    ['.td.example', 'a@td.example', OUT],
    ['td.example', 'a@b@td.example', NEITHER],
    ['td.example', '"a@b"@td.example', IN],
    ['td.example', 'td.example', NEITHER],
    ['a@b@td.example', 'a@td.example', NEITHER],
    ['', 'a@td.example', NEITHER],
  ] as const)('hold %j against %s (X509-33)', async (base, value, expected) => {
    expect(await judgeBoth(email(base), email(value))).toEqual(expected);
  });

  it('bind addresses in the subject only without alternative names (X509-33)', async () => {
    const extension = constraints([subtree(email('td.example'))]);
    const subjectDer = name(['1.2.840.113549.1.9.1', 'a@other.example']);
    const bare = { uriSans: [], subjectDer };
    expect(
      await judgeLeaf(extension, [], { ...bare, subjectDer: name(['1.2.840.113549.1.9.1', 'a@td.example']) }),
    ).toBe(WITHIN);
    expect(await judgeLeaf(extension, [], bare)).toBe(OUTSIDE);
    const named = name(['2.5.4.3', 'x'], ['1.2.840.113549.1.9.1', 'a@td.example']);
    expect(await judgeLeaf(extension, [], { ...bare, subjectDer: named })).toBe(WITHIN);
    // An address in a string type that nobody reads is an address all the same.
    const unread = derElement(
      Tag.sequence,
      derElement(
        Tag.set,
        derElement(
          Tag.sequence,
          derObjectIdentifier('1.2.840.113549.1.9.1'),
          derElement(Tag.teletexString, Buffer.from('a@td.example')),
        ),
      ),
    );
    expect(await judgeLeaf(extension, [], { ...bare, subjectDer: unread })).toBe(UNPROCESSABLE);
    expect(await judgeLeaf(extension, [dns('a.example')], { subjectDer })).toBe(WITHIN);
  });
});

describe('IP constraints', () => {
  const net = ip(10, 1, 0, 0, 255, 255, 0, 0);
  const loopback6 = ip(...Array.from({ length: 15 }, () => 0), 1);
  const any6 = ip(...Array.from({ length: 32 }, () => 0));

  it('hold networks against addresses of their family (X509-33)', async () => {
    expect(await judgeBoth(net, ip(10, 1, 2, 3))).toEqual(IN);
    expect(await judgeBoth(net, ip(10, 2, 2, 3))).toEqual(OUT);
    expect(await judgeBoth(net, loopback6)).toEqual(OUT);
    expect(await judgeBoth(any6, loopback6)).toEqual(IN);
    expect(await judgeBoth(any6, ip(10, 1, 2, 3))).toEqual(OUT);
    expect(await judgeBoth(ip(0, 0, 0, 0, 0, 0, 0, 0), loopback6)).toEqual(OUT);
    expect(await judgeBoth(ip(0, 0, 0, 0, 0, 0, 0, 0), ip(1, 2, 3, 4))).toEqual(IN);
    expect(await judgeBoth(ip(10, 1, 0, 128, 255, 255, 255, 128), ip(10, 1, 0, 127))).toEqual(OUT);
  });

  it('refuse what is neither a network nor an address (X509-33)', async () => {
    expect(await judgeBoth(ip(10, 1, 0, 0), ip(10, 1, 0, 0))).toEqual(NEITHER);
    expect(await judgeBoth(ip(10, 0, 0, 0, 255, 0, 255, 0), ip(10, 1, 0, 1))).toEqual(NEITHER);
    expect(await judgeBoth(ip(10, 0, 0, 0, 255, 15, 0, 0), ip(10, 0, 0, 1))).toEqual(NEITHER);
    expect(await judgeBoth(net, ip(10, 1, 2, 3, 255, 255, 255, 255))).toEqual(NEITHER);
  });
});

describe('directory name constraints', () => {
  const O = '2.5.4.10';
  const CN = '2.5.4.3';
  const base = directory(name([O, 'Acme']));

  it('hold prefixes against the subject and against alternative names (X509-33)', async () => {
    expect(await judgeBoth(base, directory(name([O, 'Acme'], [CN, 'x'])))).toEqual(IN);
    expect(await judgeBoth(base, base)).toEqual(IN);
    expect(await judgeBoth(directory(name([O, 'Acme'], [CN, 'x'])), base)).toEqual(OUT);
    expect(await judgeBoth(base, directory(name([O, ' ACME '], [CN, 'x'])))).toEqual(IN);
    expect(await judgeBoth(base, directory(name([O, 'Acme Ltd'])))).toEqual(OUT);
    expect(await judgeBoth(base, directory(name([CN, 'x'], [O, 'Acme'])))).toEqual(OUT);
    expect(await judgeBoth(directory(name()), directory(name([O, 'any'])))).toEqual(IN);
    const permitted = constraints([subtree(base)]);
    const san = [uri('spiffe://td.example/w')];
    expect(await judgeLeaf(permitted, san, { subjectDer: name([O, 'Acme'], [CN, 'x']) })).toBe(WITHIN);
    expect(await judgeLeaf(permitted, san, { subjectDer: name([O, 'Other']) })).toBe(OUTSIDE);
    // An empty subject is no name.
    expect(await judgeLeaf(permitted, san)).toBe(WITHIN);
  });
});

describe('name constraints', () => {
  it.each([
    [1, 'a@td.example'],
    [2, 'td.example'],
    [6, 'spiffe://td.example/w'],
  ])('whose base is not text refuse every name of kind %i (X509-33)', async (tag, san) => {
    const base = tag === 1 ? 'td.example' : san.replace(/^spiffe:..|.w$/g, '');
    expect(await judgeBoth(text(tag, base), text(tag, san))).toEqual(IN);
    for (const odd of ['\u00e9.example', 'td\0.example'])
      expect(await judgeBoth(text(tag, odd), text(tag, san))).toEqual(NEITHER);
  });

  it('refuse the CA where something trails in them (RFC 5280 §4.2.1.10)', async () => {
    const good = constraints([subtree(dns('td.example'))]);
    const inside = constraints([subtree(dns('td.example'), derInteger(0, CONTEXT), derElement(Tag.null))]);
    const behind = {
      ...good,
      value: derElement(
        Tag.sequence,
        derElement(CONTEXT | CONSTRUCTED, subtree(dns('td.example'))),
        derElement(Tag.null),
      ),
    };
    expect(await judgeLeaf(good, [dns('td.example')])).toBe(WITHIN);
    for (const odd of [inside, behind]) {
      const ca = await makeCa('CN=Middle', undefined, { extensions: [odd] });
      expect(codeOf(() => parseCertificate(ca.der))).toBe('certificate-malformed');
    }
  });

  it('of a form nobody can process refuse names of that form and no others (X509-33)', async () => {
    for (const extension of [constraints([subtree(otherName)]), constraints([], [subtree(otherName)])]) {
      expect(await judgeLeaf(extension, [uri('spiffe://td.example/w')])).toBe(WITHIN);
      expect(await judgeLeaf(extension, [uri('spiffe://td.example/w'), otherName])).toBe(UNPROCESSABLE);
    }
  });

  it('with a minimum or a maximum refuse names of their form (X509-33)', async () => {
    const bounded = (bound: Uint8Array) => constraints([subtree(dns('td.example'), bound)]);
    expect(await judgeLeaf(bounded(derInteger(0, CONTEXT)), [dns('td.example')])).toBe(WITHIN);
    expect(await judgeLeaf(bounded(derInteger(1, CONTEXT)), [dns('td.example')])).toBe(UNPROCESSABLE);
    expect(await judgeLeaf(bounded(derInteger(1, CONTEXT | 1)), [dns('td.example')])).toBe(UNPROCESSABLE);
    expect(await judgeLeaf(bounded(derInteger(1, CONTEXT)), [uri('spiffe://td.example/w')])).toBe(WITHIN);
    // Also where another subtree permits the name, in whichever order they stand.
    const plain = subtree(dns('td.example'));
    const odd = subtree(dns('td.example'), derInteger(1, CONTEXT));
    for (const permitted of [
      [plain, odd],
      [odd, plain],
    ]) {
      expect(await judgeLeaf(constraints(permitted), [dns('td.example')])).toBe(UNPROCESSABLE);
    }
  });

  it('bind every name of their form; other forms are free, and exclusion goes before permission (X509-33)', async () => {
    const permitted = constraints(
      [subtree(dns('a.example')), subtree(dns('b.example'))],
      [subtree(dns('x.b.example'))],
    );
    expect(
      await judgeLeaf(permitted, [dns('a.example'), dns('b.example'), uri('spiffe://any.example/w')]),
    ).toBe(WITHIN);
    expect(await judgeLeaf(permitted, [dns('a.example'), dns('c.example')])).toBe(OUTSIDE);
    expect(await judgeLeaf(permitted, [dns('x.b.example')])).toBe(OUTSIDE);
  });

  it('bind also where they are not critical (X509-33)', async () => {
    const loose = constraints([subtree(dns('a.example'))], [], false);
    expect([await judgeLeaf(loose, [dns('a.example')]), await judgeLeaf(loose, [dns('b.example')])]).toEqual([
      WITHIN,
      OUTSIDE,
    ]);
  });

  it('of every CA hold, the anchor included; a lower one cannot widen (X509-33)', async () => {
    const permit = (...bases: string[]) => ({
      extensions: [constraints(bases.map((base) => subtree(dns(base))))],
    });
    const run = async (above: MakeOptions, below: MakeOptions, san: string) => {
      const anchor = await makeCa('CN=Anchor', undefined, above);
      const ca = await makeCa('CN=Below', anchor, below);
      return judge((await makeLeaf(ca, { extensions: [names(dns(san))] })).der, [ca.der], [anchor.der]);
    };
    expect(await run(permit('a.example'), {}, 'a.example')).toBe(WITHIN);
    expect(await run(permit('a.example'), {}, 'b.example')).toBe(OUTSIDE);
    expect(await run(permit('a.example', 'b.example'), permit('b.example'), 'a.example')).toBe(OUTSIDE);
    expect(await run(permit('b.example'), permit('a.example', 'b.example'), 'a.example')).toBe(OUTSIDE);
    expect(await run(permit('a.example', 'b.example'), permit('b.example', 'c.example'), 'b.example')).toBe(
      WITHIN,
    );
  });

  it('bind intermediates too, unless they issued themselves (X509-33)', async () => {
    const anchor = await makeCa('CN=Anchor', undefined, {
      extensions: [constraints([subtree(dns('a.example'))])],
    });
    const stray = await makeCa('CN=Below', anchor, { dnsSans: ['b.example'] });
    const renewed = await makeCa('CN=Anchor', anchor, { dnsSans: ['b.example'] });
    expect(judge((await makeLeaf(stray)).der, [stray.der], [anchor.der])).toBe(
      'name-not-permitted of helper 0',
    );
    expect(judge((await makeLeaf(renewed)).der, [renewed.der], [anchor.der])).toBe(WITHIN);
    // The last certificate of a path is bound even if it issued itself.
    expect(judge(renewed.der, [], [anchor.der])).toBe(OUTSIDE);
  });

  it('are for CAs only (RFC 5280 §4.2.1.10)', async () => {
    const extensions = [constraints([subtree(dns('a.example'))])];
    expect(judge((await makeLeaf(root)).der, [], [root.der])).toBe('accepted over 2');
    expect(judge((await makeLeaf(root, { extensions })).der, [], [root.der])).toBe(
      'profile-violated of leaf 0',
    );
  });
});
