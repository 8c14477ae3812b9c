import protobuf, { type Root, type Type } from 'protobufjs';
import { protoText } from './proto-text.ts';

/**
 * Converts bytes of one protobuf message type to a plain object and back. Absent scalars read as
 * their defaults; absent messages stay absent.
 */
export interface MessageType<Message> {
  readonly encode: (message: Message) => Buffer;
  /** Throws a plain `Error` when the bytes are not such a message. */
  readonly decode: (bytes: Uint8Array) => Message;
}

/**
 * Returns the `.proto` file of this room with that name. It is parsed at the first call, because a
 * process that speaks no gRPC does not pay for it.
 */
export function loadProto(name: string): () => Root {
  let root: Root | undefined;
  return () => (root ??= protobuf.parse(protoText(name), { keepCase: true }).root);
}

/**
 * The codec of one message of `root`. The interface `Message` must match the proto file. The
 * compiler cannot check that, so the room's tests send each message in both directions.
 */
export function messageType<Message extends object>(root: () => Root, name: string): MessageType<Message> {
  let found: Type | undefined;
  const typeOf = () => (found ??= root().lookupType(name));
  return {
    encode: (message) => Buffer.from(typeOf().encode(typeOf().fromObject(message)).finish()),
    decode: (bytes) => {
      const type = typeOf();
      const plain = type.toObject(type.decode(bytes), {
        longs: String,
        enums: String,
        defaults: true,
        bytes: Buffer,
      });
      dropAbsentMessages(plain);
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the shape is the proto's, see the doc comment
      return plain as Message;
    },
  };
}

/**
 * protobufjs writes an absent message as null. Here it becomes an absent member, so that `?.` and
 * `in` work.
 */
function dropAbsentMessages(value: unknown): void {
  if (Array.isArray(value)) {
    for (const each of value) dropAbsentMessages(each);
  } else if (isRecord(value) && !Buffer.isBuffer(value)) {
    for (const [key, each] of Object.entries(value)) {
      if (each === null) delete value[key];
      else dropAbsentMessages(each);
    }
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
