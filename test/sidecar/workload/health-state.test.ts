import { describe, expect, it } from 'vitest';
import { HealthState } from '../../../src/demonstration/sidecar/workload/health-state.ts';

/** The state after each check: `+` is good, `-` is bad. */
function states(checks: string): string {
  const state = new HealthState({ healthyAfter: 2, unhealthyAfter: 3 });
  return checks
    .split('')
    .map((check) => {
      state.note(check === '+' ? undefined : 'bad');
      return state.problem === undefined ? '+' : '-';
    })
    .join('');
}

describe('HealthState', () => {
  it('begins as unhealthy', () => {
    expect(new HealthState({ healthyAfter: 1, unhealthyAfter: 1 }).problem).toBe('it was not checked yet');
  });

  it.each([
    ['+', '+'],
    ['-', '-'],
    ['-+', '--'],
    ['-++', '--+'],
    ['-+-+', '----'],
    ['+--', '+++'],
    ['+---', '+++-'],
    ['+--+--+', '+++++++'],
    ['+---+-+', '+++----'],
    ['+---++', '+++--+'],
  ])('after the checks %s is %s', (checks, shown) => {
    expect(states(checks)).toBe(shown);
  });

  it('shows the last reason, and reports only changes', () => {
    const state = new HealthState({ healthyAfter: 1, unhealthyAfter: 1 });
    expect([state.note('first'), state.note('second'), state.problem]).toEqual([true, false, 'second']);
  });
});
