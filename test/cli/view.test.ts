import { describe, expect, it } from 'vitest';
import { renderFields, renderTable, wrap } from '../../src/cli/table.ts';
import { createView, wantsColours, widthOf } from '../../src/cli/view.ts';

const view = (columns?: number, colours = false, minutes = 0) =>
  createView({ columns, colours, offsetMinutes: () => minutes });

describe('View', () => {
  it.each([
    [0, '2030-06-01T12:00:00Z'],
    [120, '2030-06-01T14:00:00+02:00'],
    [-210, '2030-06-01T08:30:00-03:30'],
    [840, '2030-06-02T02:00:00+14:00'],
  ])('shows an instant in a zone of %i minutes as one that --at takes', (minutes, shown) => {
    const { at, day } = view(80, false, minutes);
    expect(at('2030-06-01T12:00:00.123Z')).toBe(shown);
    expect(new Date(shown).getTime()).toBe(Date.parse('2030-06-01T12:00:00Z'));
    expect(day('2030-06-01T12:00:00.000Z')).toBe(shown.slice(0, 10));
  });

  it('shows the instants in a sentence of the agent, and leaves those that are part of a name', () => {
    const { words } = view(80, false, 60);
    expect(words('stale since 2030-01-01T12:00:00.000Z, it ends at 2030-01-02T12:00:00.000Z')).toBe(
      'stale since 2030-01-01T13:00:00+01:00, it ends at 2030-01-02T13:00:00+01:00',
    );
    const name = 'no key "2030-01-01T12:00:00.000Z" and k-2030-01-01T12:00:00Z';
    expect(words(name)).toBe(name);
  });

  it('counts no columns for colours, and paints nothing without them', () => {
    const painted = view(80, true).paint('red', 'stale');
    expect(painted).toBe('\u001B[31mstale\u001B[39m');
    expect(widthOf(painted)).toBe(5);
    expect(view(80, false).paint('red', 'stale')).toBe('stale');
  });
});

describe('wantsColours()', () => {
  it.each([
    ['a terminal', undefined, true, {}, true],
    ['a pipe', undefined, false, {}, false],
    ['NO_COLOR', undefined, true, { NO_COLOR: '1' }, false],
    ['an empty NO_COLOR', undefined, true, { NO_COLOR: '' }, true],
    ['a dumb terminal', undefined, true, { TERM: 'dumb' }, false],
    ['FORCE_COLOR', undefined, false, { FORCE_COLOR: '1', NO_COLOR: '1' }, true],
    ['FORCE_COLOR=0', undefined, true, { FORCE_COLOR: '0' }, false],
    ['--color always', 'always', false, { NO_COLOR: '1' }, true],
    ['--color never', 'never', true, { FORCE_COLOR: '1' }, false],
    ['--color auto', 'auto', true, { NO_COLOR: '1' }, false],
  ] as const)('decides by %s', (_what, choice, isTerminal, environment, wanted) => {
    expect(wantsColours(choice, isTerminal, environment)).toBe(wanted);
  });
});

describe('renderTable()', () => {
  const headings = ['NAME', 'WHY'];
  const rows = [
    ['a.example', 'one two three four five six seven eight nine ten'],
    ['bb.example', 'short'],
  ];

  it('gives a file whole lines, whatever their length', () => {
    expect(renderTable(headings, rows, view())).toBe(
      ['NAME        WHY', `a.example   ${rows[0]?.[1]}`, 'bb.example  short'].join('\n'),
    );
  });

  it('continues the last column below itself on a narrow terminal, and loses no word', () => {
    const lines = renderTable(headings, rows, view(40)).split('\n');
    expect(lines).toEqual([
      'NAME        WHY',
      'a.example   one two three four five six',
      '            seven eight nine ten',
      'bb.example  short',
    ]);
  });

  it('makes fields of the rows where the columns have no room at all', () => {
    expect(renderTable(headings, rows, view(28))).toBe(
      [
        'NAME  a.example',
        'WHY   one two three four',
        '      five six seven eight',
        '      nine ten',
        '',
        'NAME  bb.example',
        'WHY   short',
      ].join('\n'),
    );
  });

  it('aligns columns with colours in them', () => {
    const coloured = view(80, true);
    const lines = renderTable(
      ['A', 'B'],
      [
        [coloured.paint('green', 'x'), 'y'],
        ['long', 'z'],
      ],
      coloured,
    );
    expect(lines.split('\n').map(widthOf)).toEqual([7, 7, 7]);
  });
});

describe('renderFields() and wrap()', () => {
  it('continue a value below itself on a terminal, and leave long words whole', () => {
    const url = `https://${'x'.repeat(40)}.example/`;
    expect(
      renderFields(
        [
          ['endpoint', url],
          ['why', 'one two three four five six seven'],
          ['gone', undefined],
        ],
        view(36),
      ),
    ).toBe([`endpoint  ${url}`, 'why       one two three four five', '          six seven'].join('\n'));
    expect(wrap('  indented words stay indented', 22)).toEqual(['  indented words stay', 'indented']);
    expect(wrap('no room', 3)).toEqual(['no room']);
  });
});
