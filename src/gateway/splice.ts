import type { Socket } from 'node:net';

export interface SpliceResult {
  /** `done` when both sides ended in order; else how the connection broke. */
  readonly outcome: 'done' | 'idle-timeout' | 'client-broke' | 'upstream-broke';
  /** Bytes from the client to the upstream, the ClientHello included; and back. */
  readonly bytesUp: number;
  readonly bytesDown: number;
}

/**
 * What moves the bytes: Node's pipes, pooled readers in both directions, or pipes from the client
 * and a pooled reader back.
 */
export type SpliceMode = 'pipe' | 'pooled' | 'pipe-up';

/**
 * Passes bytes both ways until both sides have ended. Back-pressure pauses the faster side. An end
 * in one direction leaves the other open (half-close); a break in one closes both.
 */
export function splice(
  client: Socket,
  upstream: Socket,
  first: Buffer,
  idleTimeoutMs: number,
  mode: SpliceMode,
): Promise<SpliceResult> {
  return new Promise((resolve) => {
    let outcome: SpliceResult['outcome'] = 'done';
    let open = 2;
    const broke = (how: SpliceResult['outcome']) => {
      if (outcome === 'done') outcome = how;
      client.destroy();
      upstream.destroy();
    };
    const watch = (socket: Socket, how: SpliceResult['outcome']) => {
      socket.on('error', () => broke(how));
      socket.once('close', (hadError) => {
        if (hadError) broke(how);
        else if (!socket.readableEnded || !socket.writableFinished) broke(how);
        open -= 1;
        if (open === 0) resolve({ outcome, bytesUp: client.bytesRead, bytesDown: upstream.bytesRead });
      });
    };
    // Every byte passes through the client's socket, in or out, so its timer alone detects silence.
    client.setTimeout(idleTimeoutMs, () => broke('idle-timeout'));
    watch(client, 'client-broke');
    watch(upstream, 'upstream-broke');
    if (client.destroyed) {
      broke('client-broke');
      return;
    }
    upstream.write(first);
    if (mode === 'pooled') readPooled(client, upstream);
    else client.pipe(upstream);
    if (mode === 'pipe') upstream.pipe(client);
    else readPooled(upstream, client);
  });
}

/** The socket's own reader moves the bytes. This only passes on its end. */
function readPooled(source: Socket, target: Socket): void {
  source.once('end', () => target.end());
  source.resume();
}
