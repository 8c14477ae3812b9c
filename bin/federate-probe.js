#!/usr/bin/env node
// A health check for containers: one GET over a Unix socket or HTTP, exit code 0 for status 200 and 1 for everything else.
// It loads nothing but node:net, because a container runs it every few seconds.
import { connect } from 'node:net';

const USAGE = `Usage: federate-probe SOCKET|http://HOST:PORT [PATH] [SECONDS]

Asks a Federate process for /readyz, or for PATH (/livez: does it answer at all?).
Exit code 0 when it answers with 200 within SECONDS (10), 1 when not, 2 for wrong usage.

  federate-probe /run/federate/admin.sock
  federate-probe http://127.0.0.1:9090 /livez
`;

const [target, path = '/readyz', seconds = '10', ...more] = process.argv.slice(2);
const url = target?.startsWith('http://') && URL.canParse(target) ? new URL(target) : undefined;
const timeout = Number(seconds) * 1000;

if (target === '--help' || target === '-h') {
  process.stdout.write(USAGE);
} else if (
  !target ||
  more.length > 0 ||
  !/^\/[\x21-\x7e]*$/.test(path) ||
  !(timeout > 0 && timeout <= 3_600_000) ||
  (target.includes('://') && !url)
) {
  process.stderr.write(USAGE);
  process.exitCode = 2;
} else {
  let answer = '';
  const socket = url
    ? connect(Number(url.port || 80), url.hostname.replace(/^\[|\]$/g, ''))
    : connect(target);
  const fail = (why) => {
    socket.destroy();
    process.stderr.write(`federate-probe: ${target}${path}: ${why}\n`);
    process.exitCode = 1;
  };
  const timer = setTimeout(() => fail(`no answer within ${seconds} s`), timeout);
  socket.setEncoding('utf8');
  socket.on('connect', () =>
    socket.write(`GET ${path} HTTP/1.0\r\nHost: ${url?.host ?? 'localhost'}\r\n\r\n`),
  );
  socket.on('data', (part) => {
    answer = (answer + part).slice(0, 4096);
  });
  socket.on('error', (error) => {
    clearTimeout(timer);
    fail(error.message);
  });
  socket.on('end', () => {
    clearTimeout(timer);
    const status = /^HTTP\/1\.[01] (\d{3})/.exec(answer)?.[1];
    const text = answer.split('\r\n\r\n')[1]?.trim().split('\n')[0] ?? '';
    if (status === '200') process.stdout.write(`${text}\n`);
    else fail(status === undefined ? 'the answer is not HTTP' : `${status} ${text}`.trim());
  });
}
