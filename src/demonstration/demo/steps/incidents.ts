import { isMapping } from '../../../objects/index.ts';
import { HostileEndpoint } from '../hostile-endpoint.ts';
import { names } from '../layout.ts';
import type { Meshes } from '../meshes.ts';
import type { Step, StepReporter } from '../story.ts';
import { endTraffic, Traffic } from '../traffic.ts';
import { check, until, type Waits } from '../until.ts';

interface Incident {
  readonly code: string;
  readonly message: string;
  readonly ended_at: string | null;
}

/**
 * Step 7: an outage, a rollback and a malformed bundle. Calls continue, and the history records
 * each incident.
 */
export function surviveIncidents(meshes: Meshes, waits: Waits): Step {
  const { clock } = waits;
  return {
    title: 'An endpoint outage, a rollback and a malformed bundle: last good stays',
    async run(story) {
      const good = String((await bundleOf(meshes))['document']);
      const identity = await meshes.control.consul.forge(names.consulAgentId);
      const traffic = await Traffic.start(meshes, clock);
      let hostile: HostileEndpoint | undefined;
      try {
        await meshes.stopAgent('consul');
        story.did('stopped the agent of the Consul mesh: its bundle endpoint is down');
        await recorded(meshes, waits, story, (incident) => /connect|response/.test(incident.code));

        hostile = await HostileEndpoint.start(identity, meshes.layout.ports.consulEndpoint);
        hostile.serve(olderAndEmpty(good));
        story.did('an intruder with a valid SVID of the endpoint serves an older sequence without any key');
        await recorded(meshes, waits, story, (incident) => incident.code === 'sequence-rolled-back');

        hostile.serve(good.slice(0, good.length / 2));
        story.did('then half a document');
        await recorded(
          meshes,
          waits,
          story,
          (incident) =>
            /json|bundle|document/.test(incident.code) && incident.code !== 'sequence-rolled-back',
        );

        await hostile.stop();
        hostile = undefined;
        meshes.startAgent('consul');
        await meshes.agentReady('consul');
        // A list of services that the intruder's answer was not is asked for again in growing pauses.
        await meshes.ask('istio', ['service', 'offers', names.consul]);
        await until(waits, 'every incident has ended', async () =>
          (await incidentsOf(meshes)).every((incident) => incident.ended_at !== null) ? true : undefined,
        );
        story.did('started the agent again');
        story.saw('the next poll ended every incident, on record');
      } finally {
        await hostile?.stop();
        await endTraffic(traffic, story);
      }
      const after = String((await bundleOf(meshes))['document']);
      check(after === good, 'the bundle held is the one from before');
      story.saw('the bundle held is the same as before, byte for byte');
      story.note(
        'incidents',
        (await incidentsOf(meshes)).map((incident) => incident.code),
      );
    },
  };
}

async function recorded(
  meshes: Meshes,
  waits: Waits,
  story: StepReporter,
  is: (incident: Incident) => boolean,
): Promise<void> {
  const { found } = await until(waits, 'the incident is in the history', async () =>
    (await incidentsOf(meshes)).find(is),
  );
  story.saw(`in the history: ${found.message} [${found.code}]`);
}

async function bundleOf(meshes: Meshes): Promise<Record<string, unknown>> {
  const bundle = await meshes.ask('istio', ['bundle', 'show', names.consul]);
  check(isMapping(bundle), 'a bundle is held');
  return bundle;
}

async function incidentsOf(meshes: Meshes): Promise<readonly Incident[]> {
  const history = await meshes.ask('istio', ['bundle', 'history', names.consul]);
  check(isMapping(history) && Array.isArray(history['incidents']), 'the history lists incidents');
  return history['incidents'].filter(isIncident);
}

function isIncident(value: unknown): value is Incident {
  return isMapping(value) && typeof value['code'] === 'string' && typeof value['message'] === 'string';
}

/**
 * The document with a sequence one lower and without keys; done on the text, because a sequence has
 * more digits than a number holds.
 */
function olderAndEmpty(document: string): string {
  return document
    .replace(
      /("spiffe_sequence"\s*:\s*)(\d+)/,
      (_all, name: string, digits: string) => `${name}${BigInt(digits) - 1n}`,
    )
    .replace(/("keys"\s*:\s*)\[.*\]/s, '$1[]');
}
