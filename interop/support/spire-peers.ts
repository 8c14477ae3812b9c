import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import type { RefreshDocument, RelationshipDocument } from '../../src/admin-client/index.ts';
import { type Agents, type RunningAgent, startAgents } from '../../testkit/running-agents.ts';
import type { Spire } from './spire.ts';

/** Our trust domain in the checks with SPIRE, whose own is `spire.example`. */
export const OURS = 'a.example';
export const THEIRS = 'spire.example';

/** Works with one agent of ours, of `OURS`, with an `https_spiffe` endpoint. */
export async function withOurs(work: (ours: RunningAgent, agents: Agents) => Promise<void>): Promise<void> {
  await using agents = await startAgents([{ trustDomain: OURS, profile: 'https_spiffe' }]);
  const [ours] = agents.all;
  assert(ours);
  await work(ours, agents);
}

/** Has SPIRE federate with us, with our bundle of now. */
export async function spireTrustsUs(server: Spire, { home }: RunningAgent, agents: Agents): Promise<void> {
  const bundle = agents.file('ours.json');
  writeFileSync(bundle, (await home.ask<{ document: string }>('bundle', 'show')).answer.document);
  server.createFederation(OURS, home.url, `spiffe://${OURS}/federate`, bundle);
}

/** Has us federate with SPIRE, with its bundle of now, over the profile that its endpoint has. */
export async function weTrustSpire(
  server: Spire,
  { home }: RunningAgent,
  proof: readonly string[] = [
    '--profile',
    'https_spiffe',
    '--endpoint-id',
    `spiffe://${THEIRS}/spire/server`,
    '--bundle',
    shownBundle(server),
  ],
): Promise<void> {
  const words = ['--peer', server.endpointUrl, '--trust-domain', THEIRS];
  const { code, answer } = await home.ask<{ code: string | null }>('add', ...words, ...proof);
  assert.equal(code, 0);
  assert.equal(answer.code, null, 'its endpoint is polled at once');
}

/** A file with the bundle of SPIRE, as its command shows it. */
function shownBundle(server: Spire): string {
  const file = server.file('shown.json');
  writeFileSync(file, server.say('bundle', 'show', '-format', 'spiffe'));
  return file;
}

/** How it stands with SPIRE. */
export async function relationship({ home }: RunningAgent): Promise<RelationshipDocument> {
  return (await home.ask<RelationshipDocument>('show', THEIRS)).answer;
}

/** What came of a poll of SPIRE that was asked for now. */
export async function pollNow({ home }: RunningAgent): Promise<RefreshDocument> {
  const { answer } = await home.ask<readonly RefreshDocument[]>('refresh', THEIRS);
  const [outcome] = answer;
  assert(outcome);
  return outcome;
}
