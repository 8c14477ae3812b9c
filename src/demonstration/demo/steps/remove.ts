import { once } from 'node:events';
import { names } from '../layout.ts';
import type { Meshes } from '../meshes.ts';
import type { Step } from '../story.ts';
import { openTls } from '../tls-probe.ts';
import { check, until, type Waits } from '../until.ts';

/**
 * The bound that the sidecar states for closing what rested on removed trust, and the way of the
 * removal there.
 */
const CLOSED_WITHIN_MS = 5000;

/** Step 9: removed means removed. */
export function removePeer(meshes: Meshes, waits: Waits): Step {
  const { clock } = waits;
  return {
    title: 'federate remove: the next call is refused, open connections are closed, the history stays',
    async run(story) {
      const identity = await meshes.control.istio.forge(names.backendId);
      const open = await openTls({
        port: meshes.layout.ports.istioGateway,
        serverName: names.infoServerName,
        identity,
        timeoutMs: 60_000,
      });
      open.on('error', () => {});
      open.resume();
      const closed = once(open, 'close').then(() => clock.monotonicMs());
      story.did('opened a connection to info through the gateways, and left it open');
      await clock.sleep(500);
      check(!open.destroyed, 'the open connection is accepted while the peer is trusted');

      const start = clock.monotonicMs();
      await meshes.ask('consul', ['remove', names.istio, '--reason', 'end of the demonstration']);
      story.did(`consul: federate remove ${names.istio}`);
      const closedAt = await Promise.race([closed, clock.sleep(CLOSED_WITHIN_MS).then(() => undefined)]);
      check(closedAt !== undefined, `the open connection is closed within ${CLOSED_WITHIN_MS} ms`);
      story.saw(`the open connection was closed ${Math.round(closedAt - start)} ms after the verb was typed`);
      story.note('closed_after_ms', Math.round(closedAt - start));

      const { found: missing } = await until(
        waits,
        'the next call is refused',
        async () => (await meshes.call()).missing,
      );
      story.saw(`the next call is refused: ${missing.message} [${missing.code}]`);

      const { stdout: history } = await meshes.verb('consul', ['bundle', 'history', names.istio]);
      check(history.includes('version 1'), 'the history of the removed trust domain remains');
      story.saw(`its history remains: ${history.trim().split('\n').length} lines`);
      const again = await meshes.verb('consul', ['remove', names.istio]);
      check(again.exitCode === 1, 'a second removal is reported as such');
      story.saw(`removing it twice: ${again.stderr.trim().split('\n')[0] ?? ''}`);
    },
  };
}
