import type { StoreError } from './errors.ts';
import type { NewEvent } from './event.ts';

/** An event that is on the disk, with the bundle version that it belongs to. */
export interface RecordedEvent extends NewEvent {
  readonly versionNumber?: number;
}

/** What an open store reports of its work. A method that throws is a mistake of the program. */
export interface StoreObserver {
  /** These events are on record now, in their order. */
  recorded(events: readonly RecordedEvent[]): void;
  /** A transaction was written. */
  wrote(): void;
  /** The file or its disk could not be used. */
  failed(error: StoreError): void;
}
