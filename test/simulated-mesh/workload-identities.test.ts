import { afterEach, beforeEach, expect, it } from 'vitest';
import { CertificateAuthority } from '../../src/demonstration/simulated-mesh/certificate-authority.ts';
import { consulCertificateProfile } from '../../src/demonstration/simulated-mesh/consul/certificate-profile.ts';
import { WorkloadIdentities } from '../../src/demonstration/simulated-mesh/workload-identities.ts';
import { parseSpiffeId, parseTrustDomain } from '../../src/spiffe/index.ts';
import { createRecordingLog } from '../../testkit/recording-log.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { TestClock } from '../../testkit/test-clock.ts';
import { NOW } from './support/meshes.ts';
import { until } from '../../testkit/until.ts';

const trustDomain = parseTrustDomain('consul.example');
const TTL = 60_000;

let folder: ReturnType<typeof tempDir>;
let clock: TestClock;
let log: ReturnType<typeof createRecordingLog>;
let authority: CertificateAuthority;
let identities: WorkloadIdentities;
let renewed: string[];

beforeEach(async () => {
  folder = tempDir();
  clock = new TestClock(NOW);
  log = createRecordingLog();
  renewed = [];
  authority = await CertificateAuthority.open({
    folder: folder.path,
    trustDomain,
    profile: consulCertificateProfile,
    clock,
    log,
  });
  identities = new WorkloadIdentities({
    authority,
    workloads: ['web', 'info'].map((name) => ({
      name,
      id: parseSpiffeId(`spiffe://consul.example/svc/${name}`),
    })),
    ttlMs: TTL,
    clock,
    log,
    onRenewed: ({ name }) => renewed.push(name),
  });
});
afterEach(async () => {
  await identities.stop();
  folder[Symbol.dispose]();
});

it('start() issues an SVID for every workload and sleeps until half of their life', async () => {
  await identities.start();
  expect(renewed.toSorted()).toEqual(['info', 'web']);
  expect(identities.current('web')).toMatchObject({ id: 'spiffe://consul.example/svc/web', generation: 1 });
  expect(identities.current('web')?.notAfter).toEqual(new Date(NOW.getTime() + TTL));
  expect(await clock.untilSleeping()).toEqual([TTL / 2]);
});

it('renews at half life, each time with a new key, and never later', async () => {
  await identities.start();
  const first = identities.current('web');
  await clock.untilSleeping();
  await clock.advance(TTL / 2 - 1);
  expect(identities.current('web')).toBe(first);
  await clock.advance(1);
  await until(() => identities.current('web')?.generation === 2, 'a renewal');
  const second = identities.current('web');
  expect(second?.notAfter.getTime()).toBe(NOW.getTime() + TTL * 1.5);
  expect(second?.privateKey.equals(first?.privateKey ?? second.privateKey)).toBe(false);
  expect(identities.current('unknown')).toBeUndefined();
});

it('reissueAll() replaces every SVID at once and moves the next renewal', async () => {
  await identities.start();
  await clock.untilSleeping();
  await clock.advance(10_000);
  await authority.publish();
  await authority.activate();
  await identities.reissueAll();
  expect(identities.current('web')).toMatchObject({ generation: 2, rootNumber: 2 });
  expect(await clock.untilSleeping()).toEqual([TTL / 2]);
});

it('keeps the held SVID and tries again when a renewal fails', async () => {
  await identities.start();
  await clock.untilSleeping();
  const issueLeaf = authority.issueLeaf.bind(authority);
  authority.issueLeaf = () => Promise.reject(new Error('disk full'));
  await clock.advance(TTL / 2);
  await until(() => log.records.some(({ message }) => message === 'SVID not renewed'), 'a failure');
  expect(identities.current('web')?.generation).toBe(1);
  authority.issueLeaf = issueLeaf;
  expect(await clock.untilSleeping()).toEqual([1000]);
  await clock.advance(1000);
  await until(() => identities.current('web')?.generation === 2, 'a renewal');
});

it('refuses a life of less than a second', () => {
  const options = { authority, workloads: [], clock, log, onRenewed: () => {} };
  expect(() => new WorkloadIdentities({ ...options, ttlMs: 999 })).toThrow(RangeError);
  expect(() => new WorkloadIdentities({ ...options, ttlMs: 1000 })).not.toThrow();
});
