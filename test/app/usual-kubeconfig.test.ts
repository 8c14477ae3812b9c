import { mkdirSync, writeFileSync } from 'node:fs';
import { delimiter } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { usualKubernetes } from '../../src/app/usual-kubeconfig.ts';
import { tempDir } from '../../testkit/temp-dir.ts';

let folder: ReturnType<typeof tempDir>;
beforeEach(() => {
  folder = tempDir();
});
afterEach(() => folder[Symbol.dispose]());

function kubeconfig(name: string, contexts: readonly string[], current?: string): string {
  const listed = contexts.map((context) => ({ name: context, context: { cluster: 'c', user: 'u' } }));
  const more = current === undefined ? {} : { 'current-context': current };
  writeFileSync(folder.file(name), stringify({ contexts: listed, ...more }));
  return folder.file(name);
}

describe('usualKubernetes()', () => {
  it('takes KUBECONFIG before ~/.kube/config, and the service account where there is neither', () => {
    const home = { HOME: folder.file('home') };
    expect(usualKubernetes(home)).toEqual({ kind: 'in-cluster' });
    expect(usualKubernetes({})).toEqual({ kind: 'in-cluster' });
    mkdirSync(folder.file('home/.kube'), { recursive: true });
    const usual = kubeconfig('home/.kube/config', ['one'], 'one');
    expect(usualKubernetes(home)).toEqual({ kind: 'kubeconfig', path: usual, context: 'one' });
    const named = kubeconfig('named', ['two'], 'two');
    expect(usualKubernetes({ ...home, KUBECONFIG: named })).toEqual({
      kind: 'kubeconfig',
      path: named,
      context: 'two',
    });
    expect(usualKubernetes({ ...home, KUBECONFIG: '' })).toMatchObject({ path: usual });
  });

  it('takes of several files the one that holds the wanted context', () => {
    const [first, second] = [kubeconfig('1', ['one']), kubeconfig('2', ['two', 'three'], 'three')];
    const environment = { KUBECONFIG: ['', first, second].join(delimiter) };
    expect(usualKubernetes(environment)).toMatchObject({ path: second, context: 'three' });
    expect(usualKubernetes(environment, 'one')).toMatchObject({ path: first, context: 'one' });
    expect(usualKubernetes(environment, 'two')).toMatchObject({ path: second, context: 'two' });
    // One that no file has is for the file itself to refuse, by name.
    expect(usualKubernetes(environment, 'four')).toMatchObject({ path: first, context: 'four' });
  });

  it('names a file of KUBECONFIG that cannot be read instead of passing over it', () => {
    const missing = folder.file('none');
    expect(usualKubernetes({ KUBECONFIG: missing })).toEqual({ kind: 'kubeconfig', path: missing });
    writeFileSync(folder.file('odd'), '- [');
    expect(usualKubernetes({ KUBECONFIG: folder.file('odd') })).toMatchObject({ path: folder.file('odd') });
  });
});
