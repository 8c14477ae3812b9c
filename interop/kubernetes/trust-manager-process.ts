import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parse } from 'yaml';
import { freePorts } from '../../src/demonstration/demo/free-ports.ts';
import { presentCa } from '../../testkit/agent-process.ts';
import { Child } from '../support/child.ts';
import type { Cluster } from './cluster.ts';
import { BUNDLE_GROUP, serveAnyBundle, TRUST_NAMESPACE } from './linkerd-cluster.ts';

/** The definition that trust-manager ships, where it lies beside the executable. */
const DEFINITION = `${BUNDLE_GROUP}_bundles.yaml`;

/** Makes the cluster serve Bundles: by trust-manager's own definition where that lies beside it, else without a schema. */
export async function serveBundles(executable: string, cluster: Cluster): Promise<void> {
  const file = join(dirname(executable), DEFINITION);
  if (existsSync(file)) {
    await cluster.define(parse(readFileSync(file, 'utf8')));
    return;
  }
  await serveAnyBundle(cluster);
}

/** Starts trust-manager over the cluster, with nobody who asks its webhook, and waits until it is ready. */
export async function startTrustManager(executable: string, cluster: Cluster): Promise<Child> {
  const [ready = 0, metrics = 0, webhook = 0] = await freePorts(3);
  const ca = await presentCa('webhook.example', 'CN=webhook');
  const leaf = await ca.issueLeaf({ uriSans: [], dnsSans: ['localhost'] });
  const folder = cluster.file(`trust-manager-${webhook}`);
  // A port that was free may be so again when it is started anew.
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'tls.crt'), leaf.certPem);
  writeFileSync(join(folder, 'tls.key'), leaf.keyPem, { mode: 0o600 });
  const program = new Child(executable, [
    `--kubeconfig=${cluster.writeAdminKubeconfig()}`,
    `--trust-namespace=${TRUST_NAMESPACE}`,
    '--leader-elect=false',
    `--readiness-probe-port=${ready}`,
    `--metrics-port=${metrics}`,
    '--webhook-host=127.0.0.1',
    `--webhook-port=${webhook}`,
    `--webhook-certificate-dir=${folder}`,
  ]);
  await program.until(
    'it was ready',
    async () => (await fetch(`http://127.0.0.1:${ready}/readyz`).catch(() => undefined))?.ok ?? false,
  );
  return program;
}
