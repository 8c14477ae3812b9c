import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { ConfigError } from '../../src/config/index.ts';
import { checkConfig } from '../../testkit/check-config.ts';
import { plainAgentConfig } from '../../testkit/agent-config.ts';
import { tempDir } from '../../testkit/temp-dir.ts';

/** The paths of the mistakes in a config with this mesh section. */
function mistakesOf(mesh: object, more: object = {}): readonly string[] {
  using folder = tempDir();
  const file = folder.file('agent.yaml');
  writeFileSync(
    file,
    stringify({
      ...plainAgentConfig(),
      mesh,
      ...more,
    }),
  );
  try {
    checkConfig('agent', file);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.mistakes.map(({ path }) => path);
    throw error;
  }
}

describe('the mesh section of kind kuma', () => {
  const rest = { kind: 'kuma', address: 'https://kuma.example:5682' };

  it('is complete as it is, with REST or with Kubernetes', () => {
    expect(mistakesOf({ kind: 'kuma' })).toEqual([]);
    expect(mistakesOf({ kind: 'kuma', kubeconfig: 'config', context: 'zone' })).toEqual([]);
    expect(mistakesOf({ ...rest, token_file: 'token', ca_file: 'ca.pem', origin: 'zone' })).toEqual([]);
  });

  it.each([
    ['a kubeconfig and an address', { ...rest, kubeconfig: 'config' }, 'mesh.kubeconfig'],
    ['a token without an address', { kind: 'kuma', token_file: 'token' }, 'mesh.token_file'],
    ['a CA without an address', { kind: 'kuma', ca_file: 'ca.pem' }, 'mesh.ca_file'],
    ['an address that is not a URL', { ...rest, address: 'kuma:5682' }, 'mesh.address'],
    ['an origin that there is not', { ...rest, origin: 'moon' }, 'mesh.origin'],
    ['a prefix of other letters', { ...rest, name_prefix: 'Fed_' }, 'mesh.name_prefix'],
  ])('refuses %s', (_what, mesh, path) => {
    expect(mistakesOf(mesh)).toEqual([path]);
  });
});

describe('the mesh section of kind vault', () => {
  const vault = { kind: 'vault', address: 'https://vault.example:8200', foreign_folder: 'foreign' };
  const named = { trust_domain: 'a.example' };

  it('needs an address, a folder and a trust domain', () => {
    const pin = `sha256:${'0'.repeat(64)}`;
    expect(mistakesOf(vault, named)).toEqual([]);
    expect(mistakesOf({ ...vault, mount: 'team/pki', namespace: 'a', pinned_roots: [pin] }, named)).toEqual(
      [],
    );
    expect(mistakesOf(vault)).toEqual(['trust_domain']);
    expect(mistakesOf({ kind: 'vault' }, named).toSorted()).toEqual(['mesh.address', 'mesh.foreign_folder']);
  });

  it.each([
    ['a mount that climbs', { mount: '../sys' }, 'mesh.mount'],
    ['a mount with a slash too many', { mount: 'pki/' }, 'mesh.mount'],
    ['a pin that is none', { pinned_roots: ['sha256:00'] }, 'mesh.pinned_roots[0]'],
  ])('refuses %s', (_what, more, path) => {
    expect(mistakesOf({ ...vault, ...more }, named)).toEqual([path]);
  });
});

describe('the mesh section of kind spire', () => {
  const files = { certificate_file: 'svid.pem', key_file: 'svid.key', trust_bundle_file: 'roots.pem' };
  const tcp = { kind: 'spire', address: 'spire.example:8081', ...files };
  const named = { trust_domain: 'a.example' };

  it('needs a socket, or an address with an SVID, roots and a trust domain', () => {
    expect(mistakesOf({ kind: 'spire', socket: 'api.sock' })).toEqual([]);
    expect(mistakesOf(tcp, named)).toEqual([]);
    expect(mistakesOf(tcp)).toEqual(['trust_domain']);
  });

  it.each([
    ['neither socket nor address', { kind: 'spire' }, ['mesh']],
    ['both', { ...tcp, socket: 'api.sock' }, ['mesh', ...Object.keys(files).map((key) => `mesh.${key}`)]],
    ['an address without a key', { ...tcp, key_file: undefined }, ['mesh.key_file']],
    ['an address that is a URL', { ...tcp, address: 'https://spire.example' }, ['mesh.address']],
  ])('refuses %s', (_what, mesh, paths) => {
    expect(mistakesOf(mesh, named)).toEqual(paths);
  });
});

describe('the mesh section of kind linkerd', () => {
  const pinned_roots = [`sha256:${'0'.repeat(64)}`];

  it('is complete as it is, and accepts unnarrowed roots only where own ones are pinned', () => {
    expect(mistakesOf({ kind: 'linkerd' })).toEqual([]);
    expect(mistakesOf({ kind: 'linkerd', linkerd_peers: ['b.example'], pinned_roots })).toEqual([]);
    expect(mistakesOf({ kind: 'linkerd', accept_unnarrowed_roots: true, pinned_roots })).toEqual([]);
    expect(mistakesOf({ kind: 'linkerd', accept_unnarrowed_roots: true })).toEqual(['mesh.pinned_roots']);
    expect(mistakesOf({ kind: 'linkerd', linkerd_peers: ['B'] })).toEqual(['mesh.linkerd_peers[0]']);
  });
});

describe('the section cluster_trust_bundles', () => {
  const mistakes = (section: object) => mistakesOf({ kind: 'kuma' }, { cluster_trust_bundles: section });

  it('goes with any mesh, and names a signer as Kubernetes does', () => {
    expect(mistakes({})).toEqual([]);
    expect(mistakes({ kubeconfig: 'config', signer_name: 'federate.example/peers' })).toEqual([]);
    expect(mistakes({ signer_name: 'peers' })).toEqual(['cluster_trust_bundles.signer_name']);
    expect(mistakes({ namespace: 'x' })).toEqual(['cluster_trust_bundles.namespace']);
  });
});
