import type { MethodDefinition } from '@grpc/grpc-js';
import type { MessageType } from './message-type.ts';

/** One method of a service for `@grpc/grpc-js`; `path` is `/package.Service/Method`. */
export function method<Request, Response>(options: {
  readonly path: string;
  readonly request: MessageType<Request>;
  readonly response: MessageType<Response>;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
}): MethodDefinition<Request, Response> {
  return {
    path: options.path,
    requestStream: options.requestStream,
    responseStream: options.responseStream,
    requestSerialize: options.request.encode,
    requestDeserialize: options.request.decode,
    responseSerialize: options.response.encode,
    responseDeserialize: options.response.decode,
  };
}
