import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { AuditSink } from './audit-sink.ts';
import { AuditError } from './errors.ts';

const BATCH = 100;
const FLAGS = constants.O_RDWR | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK;
const LINE_FEED = 0x0a;

/**
 * Appends each event as one line of JSON to a file of mode 0600, and has it on the disk before it
 * counts as delivered. The file is opened for each batch, so that it may be renamed at any time. A
 * line that a crash cut off stays alone. Rejects with `AuditError` `audit-file-unusable`.
 */
export function fileSink(path: string): AuditSink {
  return {
    batch: BATCH,
    deliver: async (events) => {
      const text = events.map((event) => `${JSON.stringify(event)}\n`).join('');
      try {
        await using file = await open(path, FLAGS, 0o600);
        await append(file, text);
      } catch (cause) {
        throw new AuditError('audit-file-unusable', `writing events to ${JSON.stringify(path)} failed`, {
          cause,
        });
      }
    },
  };
}

async function append(file: FileHandle, text: string): Promise<void> {
  const before = await file.stat();
  if (!before.isFile()) throw new TypeError('it is not a regular file');
  const last = Buffer.alloc(1);
  if (before.size > 0) await file.read(last, 0, 1, before.size - 1);
  const isCut = before.size > 0 && last[0] !== LINE_FEED;
  try {
    await file.appendFile(isCut ? `\n${text}` : text);
    await file.datasync();
  } catch (error) {
    // A full disk takes a part of the text: all of it comes again.
    await file.truncate(before.size);
    throw error;
  }
}
