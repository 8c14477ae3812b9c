import { createHash } from 'node:crypto';
import { FakeApiServer } from '../kubernetes/fake-api-server.ts';

const ROOTS = '/api/v1/namespaces/linkerd/configmaps/linkerd-identity-trust-roots';
const CONFIG = '/api/v1/namespaces/linkerd/configmaps/linkerd-config';
const SOURCES = '/api/v1/namespaces/cert-manager/configmaps/';
const BUNDLE = '/apis/trust.cert-manager.io/v1alpha1/bundles/linkerd-identity-trust-roots';
const BY_LABEL = {
  configMap: { selector: { matchLabels: { 'federate.dev/foreign-trust': 'true' } }, key: 'ca-bundle.crt' },
};

/**
 * A cluster with Linkerd and trust-manager: the Bundle joins the own anchors and every ConfigMap
 * that its sources select into the anchors of the mesh, at once. A missing source by name stops it
 * as a whole. Pods keep the anchors from the time when they were made.
 */
export class FakeLinkerd {
  readonly api = new FakeApiServer();
  /**
   * The time of the last change of the mesh's anchors; undefined: the API server does not show it.
   */
  changedAt: string | undefined;
  /** Whether trust-manager runs. */
  syncing = true;
  #ownPem = '';
  #pods = 0;

  async start(values: string): Promise<void> {
    await this.api.start();
    this.api.putObject(CONFIG, { kind: 'ConfigMap', data: { values } });
    this.putBundle([BY_LABEL]);
    this.api.onWrite = () => this.sync();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.api[Symbol.asyncDispose]();
  }

  putValues(values: string): void {
    this.api.putObject(CONFIG, { kind: 'ConfigMap', data: { values } });
  }

  putOwn(pem: string): void {
    this.#ownPem = pem;
    this.sync();
  }

  putBundle(sources: readonly object[]): void {
    this.api.putObject(BUNDLE, {
      kind: 'Bundle',
      spec: { sources: [{ inLine: 'own' }, ...sources], target: { configMap: { key: 'ca-bundle.crt' } } },
    });
  }

  deleteBundle(): void {
    this.api.delete(BUNDLE);
  }

  /** Does what trust-manager does. */
  sync(): void {
    const bundle = this.api.object(BUNDLE);
    if (!this.syncing || !bundle) return;
    const pems = [this.#ownPem];
    const condition = { type: 'Synced', status: 'True', reason: 'Synced', message: '' };
    const { sources } = bundle['spec'] as { sources: { configMap?: { selector?: object; name?: string } }[] };
    const pemOf = (object: object) =>
      (object as { data: Record<string, string> }).data['ca-bundle.crt'] ?? '';
    for (const { configMap } of sources) {
      if (configMap?.selector) {
        const found = Object.values(this.api.under(SOURCES)).filter(
          ({ metadata }) => metadata.labels?.['federate.dev/foreign-trust'] === 'true',
        );
        pems.push(...found.map(pemOf));
      } else if (configMap?.name !== undefined) {
        const object = this.api.object(`${SOURCES}${configMap.name}`);
        if (object) pems.push(pemOf(object));
        else Object.assign(condition, { status: 'False', reason: 'SourceNotFound', message: 'not found' });
      }
    }
    this.api.putObject(BUNDLE, { ...bundle, status: { conditions: [condition] } });
    if (condition.status === 'True') this.putAnchors(pems.join(''));
  }

  get anchors(): string {
    const { data } = Object(this.api.object(ROOTS)) as { data?: Record<string, string> };
    return data?.['ca-bundle.crt'] ?? '';
  }

  putAnchors(pem: string): void {
    const managedFields =
      this.changedAt === undefined ? [] : [{ manager: 'trust-manager', time: this.changedAt }];
    this.api.putObject(ROOTS, {
      kind: 'ConfigMap',
      metadata: { managedFields },
      data: { 'ca-bundle.crt': pem },
    });
  }

  /**
   * A pod of the control plane, with a chart without anchors, and its container and proxy started
   * at these times.
   */
  addControlPlanePod(startedAt: string | undefined, phase = 'Running'): string {
    const path = this.addPod(createHash('sha256').update('').digest('hex'));
    const state = startedAt === undefined ? { waiting: {} } : { running: { startedAt } };
    this.api.putObject(path, {
      ...this.api.object(path),
      status: {
        phase,
        initContainerStatuses: [{ state: { terminated: {} } }, { state }],
        containerStatuses: [{ state }],
      },
    });
    return path;
  }

  /**
   * Injects a pod with the present anchors, or with `hash`; returns its path, so that it can be
   * removed.
   */
  addPod(hash = createHash('sha256').update(this.anchors).digest('hex')): string {
    this.#pods += 1;
    const path = `/api/v1/pods/pod-${this.#pods}`;
    this.api.putObject(path, {
      kind: 'Pod',
      metadata: {
        labels: { 'linkerd.io/control-plane-ns': 'linkerd' },
        annotations: hash === 'none' ? {} : { 'linkerd.io/trust-root-sha256': hash },
      },
    });
    return path;
  }

  /** Our ConfigMaps among the sources. */
  get sources(): ReturnType<FakeApiServer['under']> {
    return this.api.under(`${SOURCES}federate-`);
  }

  putSource(name: string, object: Parameters<FakeApiServer['putObject']>[1]): void {
    this.api.putObject(`${SOURCES}${name}`, object);
    this.sync();
  }
}
