import type { ListenAddress } from '../../platform/index.ts';
import type { IncomingMessage } from 'node:http';
import { sendJson, serve, type WeatherService } from './http-service.ts';

/** The info service: one remark, and the SPIFFE ID of the caller as its sidecar reports it. */
export function startInfo(options: { readonly listen: ListenAddress }): Promise<WeatherService> {
  return serve(options.listen, {
    '/healthz': (_incoming, response) => sendJson(response, 200, { ok: true }),
    '/remarks': (incoming, response) =>
      sendJson(response, 200, {
        text: 'Take a coat: the forecast is only a sample.',
        caller: callerOf(incoming),
      }),
  });
}

/** `URI=` of the header that the sidecar sets; it strips one that a caller sends. */
function callerOf(incoming: IncomingMessage): string {
  const header = incoming.headers['x-forwarded-client-cert'];
  const uri = typeof header === 'string' ? /(?:^|;)URI=([^;,]+)/.exec(header)?.[1] : undefined;
  return uri ?? 'a caller without a certificate';
}
