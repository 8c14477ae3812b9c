import { readFile } from 'node:fs/promises';
import { type Clock, describeError, type Log, watchFiles } from '../platform/index.ts';
import { MtlsError } from './errors.ts';
import { type Svid, type SvidSource, svidFromPem } from './svid.ts';

/** How often the files are looked at. */
const LOOK_EVERY_MS = 2000;

/** An SVID kept in files by something else that renews it; re-read when they change, and a bad pair leaves the last good one. */
export interface FileSvidSource extends SvidSource {
  stop(): Promise<void>;
}

/** Reads the files once and watches them. Throws `MtlsError` `svid-invalid` when they cannot be used at the start. */
export async function createFileSvidSource(options: {
  readonly certificateFile: string;
  readonly keyFile: string;
  readonly clock: Clock;
  readonly log: Log;
}): Promise<FileSvidSource> {
  const { certificateFile, keyFile, clock, log } = options;
  const listeners = new Set<() => void>();
  const stopping = new AbortController();
  let current: Svid = await readSvid(certificateFile, keyFile);
  const watching = watchFiles({
    paths: [certificateFile, keyFile],
    everyMs: LOOK_EVERY_MS,
    clock,
    signal: stopping.signal,
    onChange: async () => {
      try {
        current = await readSvid(certificateFile, keyFile);
      } catch (error) {
        log.warn('SVID files not usable, the last SVID stays', { error: describeError(error) });
        return;
      }
      log.info('SVID renewed', { id: current.id, not_after: current.notAfter });
      for (const listener of listeners) listener();
    },
  });
  return {
    current: () => current,
    onChange: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    stop: async () => {
      stopping.abort();
      await watching;
    },
  };
}

async function readSvid(certificateFile: string, keyFile: string): Promise<Svid> {
  try {
    const [chain, key] = await Promise.all([readFile(certificateFile, 'utf8'), readFile(keyFile, 'utf8')]);
    return svidFromPem(chain, key);
  } catch (cause) {
    if (cause instanceof MtlsError)
      throw new MtlsError('svid-invalid', `the SVID in ${certificateFile} cannot be used: ${cause.message}`, {
        cause,
      });
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new MtlsError('svid-invalid', `reading the SVID failed: ${why}`, { cause });
  }
}
