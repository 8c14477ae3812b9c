import { checkClocks } from './check-clocks.ts';
import { checkOwnUrl } from './check-own-url.ts';
import { checkPeers } from './check-peers.ts';
import { createFetch } from './fetch-as-agent.ts';
import { readHeldTrust } from './held-trust.ts';
import { type Checked, NOTHING_CHECKED, type Subject } from './subject.ts';

/**
 * Our own URL and the endpoint of each peer: name, connection, certificate, proof and freshness; and
 * our clock against theirs. Each is asked as the agent asks it, with the bundles in the store.
 */
export async function checkReach(subject: Subject): Promise<Checked> {
  const { loaded, storePath } = subject;
  if (!loaded || storePath === undefined) return NOTHING_CHECKED;
  const held = await readHeldTrust(storePath, subject);
  if (!held) return NOTHING_CHECKED;
  const fetch = createFetch(loaded.config, held, subject);
  const [own, peers, clocks] = await Promise.all([
    checkOwnUrl(subject, loaded.config, held, fetch),
    checkPeers(subject, held, fetch),
    checkClocks(subject, held),
  ]);
  return {
    examined: [own, peers, clocks].flatMap(({ examined }) => examined),
    findings: [own, peers, clocks].flatMap(({ findings }) => findings),
  };
}
