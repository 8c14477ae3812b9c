import type { SigningAlgorithm } from '../demonstration/sidecar/index.ts';
import { defined } from '../objects/index.ts';
import type { ConfigKind } from './config-kinds.ts';
import { isSigningAlgorithm } from './sidecar/signatures.ts';

/** A place in the config, and the file that it names. */
export interface NamedFile {
  readonly path: readonly PropertyKey[];
  readonly file: string;
}

/** The things outside of itself that a config names, by their content. */
export type NamedFiles =
  | {
      readonly kind: 'svid' | 'web-certificate';
      readonly certificate: NamedFile;
      readonly key: NamedFile;
      readonly url?: string;
    }
  | { readonly kind: 'certificates' | 'secret' | 'routes'; readonly at: NamedFile }
  | { readonly kind: 'own-bundle'; readonly at: NamedFile; readonly trustDomain: string | undefined }
  | {
      readonly kind: 'signing-key';
      readonly at: NamedFile;
      readonly algorithm: SigningAlgorithm;
      readonly purpose: 'sign' | 'verify';
    }
  | { readonly kind: 'kubeconfig'; readonly at: NamedFile; readonly context?: string }
  /**
   * A file or folder that the process makes itself: its parent folder must exist and be writable.
   */
  | { readonly kind: 'made-by-us'; readonly at: NamedFile };

/**
 * The files that a config of this kind names. It takes the value as it was read, which may be wrong
 * in any way. Anything but a text is passed over, because the schema has refused it already. Pure.
 */
export function namedFiles(kind: ConfigKind, value: unknown): readonly NamedFiles[] {
  const config = new Section(value, []);
  switch (kind) {
    case 'agent':
      return filesOfAgent(config);
    case 'gateway':
      return config.all('routes', ['routes_file']);
    case 'sidecar':
      return filesOfSidecar(config);
    case 'simulated-istio':
    case 'simulated-consul':
    case 'weather':
      return [];
    default:
      return kind satisfies never;
  }
}

function filesOfSidecar(config: Section): NamedFiles[] {
  return [
    ...config
      .below('inbound')
      .below('signatures')
      .items('keys')
      .flatMap((key) => key.signingKey('verify')),
    ...config.items('outbound').flatMap((outbound) => outbound.below('sign').signingKey('sign')),
  ];
}

function filesOfAgent(config: Section): NamedFiles[] {
  const endpoint = config.below('endpoint');
  const mesh = config.below('mesh');
  return [
    ...config.all('made-by-us', ['store', 'admin_socket']),
    ...config.below('workload_api').all('made-by-us', ['socket']),
    ...config.below('services').all('made-by-us', ['routes_file', 'policy_file']),
    ...(endpoint.text('profile') === 'https_web'
      ? endpoint.pair('web-certificate', endpoint.text('url'))
      : []),
    ...endpoint.all('certificates', ['ca_file']),
    ...endpoint.below('svid').pair('svid'),
    ...config.below('identity').pair('svid'),
    ...mesh.pair('svid'),
    ...mesh.all('certificates', ['ca_file', 'trust_bundle_file', 'own_signing_pem_file']),
    ...mesh.list('certificates', 'own_pem_files'),
    ...mesh.ownBundle(config.text('trust_domain')),
    ...mesh.all('secret', ['token_file']),
    ...mesh.all('made-by-us', ['foreign_folder', 'services_folder', 'mesh_config_file', 'owned_file']),
    ...mesh.below('federation_gateway').all('made-by-us', ['sds_socket']),
    ...config.below('federation').below('proxy').all('secret', ['credentials_file']),
    ...config
      .items('audit')
      .flatMap((sink) => [
        ...sink.all('made-by-us', ['path']),
        ...sink.all('secret', ['secret_file']),
        ...sink.all('certificates', ['ca_file']),
      ]),
    ...mesh.kubeconfig(),
    ...config.below('cluster_trust_bundles').kubeconfig(),
  ];
}

/** One section of the value, of any form. */
class Section {
  readonly #value: unknown;
  readonly #path: readonly PropertyKey[];

  constructor(value: unknown, path: readonly PropertyKey[]) {
    this.#value = value;
    this.#path = path;
  }

  below(key: string): Section {
    return new Section(Object(this.#value)[key], [...this.#path, key]);
  }

  /** The sections of a list. */
  items(key: string): Section[] {
    const found: unknown = Object(this.#value)[key];
    const items: readonly unknown[] = Array.isArray(found) ? found : [];
    return items.map((item, index) => new Section(item, [...this.#path, key, index]));
  }

  text(key: string): string | undefined {
    const found: unknown = Object(this.#value)[key];
    return typeof found === 'string' && found !== '' ? found : undefined;
  }

  all(kind: 'certificates' | 'secret' | 'routes' | 'made-by-us', keys: readonly string[]) {
    return keys.flatMap((key) => {
      const at = this.#named(key);
      return at ? [{ kind, at }] : [];
    });
  }

  list(kind: 'certificates', key: string) {
    const found: unknown = Object(this.#value)[key];
    const files: readonly unknown[] = Array.isArray(found) ? found : [];
    return files.flatMap((file, index) =>
      typeof file === 'string' ? [{ kind, at: { path: [...this.#path, key, index], file } }] : [],
    );
  }

  pair(kind: 'svid' | 'web-certificate', url?: string): NamedFiles[] {
    const [certificate, key] = [this.#named('certificate_file'), this.#named('key_file')];
    return certificate && key ? [{ kind, certificate, key, ...defined({ url }) }] : [];
  }

  ownBundle(trustDomain: string | undefined): NamedFiles[] {
    const at = this.#named('own_bundle_file');
    return at ? [{ kind: 'own-bundle', at, trustDomain }] : [];
  }

  signingKey(purpose: 'sign' | 'verify'): NamedFiles[] {
    const [at, algorithm] = [this.#named('key_file'), this.text('algorithm')];
    return at && isSigningAlgorithm(algorithm) ? [{ kind: 'signing-key', at, algorithm, purpose }] : [];
  }

  kubeconfig(): NamedFiles[] {
    const at = this.#named('kubeconfig');
    const context = this.text('context');
    return at ? [{ kind: 'kubeconfig', at, ...defined({ context }) }] : [];
  }

  #named(key: string): NamedFile | undefined {
    const file = this.text(key);
    return file === undefined ? undefined : { path: [...this.#path, key], file };
  }
}
