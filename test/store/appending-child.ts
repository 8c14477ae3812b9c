// A process that appends versions to the store named on its command line and prints each
// acknowledged one, until it is killed. Started by child-store.ts.
import { systemClock } from '../../src/platform/index.ts';
import { openTestStore } from '../../testkit/open-test-store.ts';
import { added, bundle, istio, relationship, start, version } from './sample-bundles.ts';

const [, , path = '', mode = 'append'] = process.argv;
const store = await openTestStore({ path, clock: systemClock });
if (!(await store.relationship(istio)))
  await store.addRelationship(relationship(), version(bundle([1], 1n), start, 'bootstrap'), added());
process.stdout.write('ready\n');
if (mode === 'hold') await new Promise((resolve) => setTimeout(resolve, 600_000));
for (;;) {
  const held = await store.current(istio);
  const number = held?.number ?? 0;
  const sequence = (held?.bundle.sequence ?? 0n) + 1n;
  const answer = await store.replaceCurrent({
    trustDomain: istio,
    expectedDigest: held?.digest ?? null,
    version: version(bundle([1 + (number % 4), 5 + (number % 3)], sequence)),
    event: { ...added(), kind: 'bundle-accepted' },
  });
  if (answer !== 'conflict') process.stdout.write(`${answer.number} ${answer.digest}\n`);
}
