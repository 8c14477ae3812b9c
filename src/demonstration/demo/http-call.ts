import { Agent, request } from 'node:http';

/** An answer to a plain HTTP call on loopback. */
export interface HttpAnswer {
  readonly status: number;
  readonly body: unknown;
}

/**
 * Sends one GET over its own connection, bounded in time and size. Rejects when no valid answer
 * arrives.
 */
export function httpGet(url: string, timeoutMs = 5000): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const call = request(url, { agent: new Agent({ keepAlive: false }), timeout: timeoutMs }, (response) => {
      const parts: Buffer[] = [];
      let length = 0;
      response.on('data', (part: Buffer) => {
        length += part.length;
        if (length > 1024 * 1024) call.destroy(new Error('the answer is too large'));
        else parts.push(part);
      });
      response.on('error', reject);
      response.on('end', () => {
        try {
          resolve({
            status: response.statusCode ?? 0,
            body: JSON.parse(Buffer.concat(parts).toString('utf8')),
          });
        } catch (cause) {
          reject(new Error(`the answer of ${url} is not JSON`, { cause }));
        }
      });
    });
    call.on('timeout', () => call.destroy(new Error(`no answer from ${url} within ${timeoutMs} ms`)));
    call.on('error', reject);
    call.end();
  });
}

/**
 * Whether the process behind this Unix socket reports that it is ready. Rejects where none answers.
 */
export function readiness(socketPath: string, timeoutMs = 5000): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath, path: '/readyz', timeout: timeoutMs }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    call.on('timeout', () => call.destroy(new Error(`no answer on ${socketPath} within ${timeoutMs} ms`)));
    call.on('error', reject);
    call.end();
  });
}
