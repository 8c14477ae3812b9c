import { once } from 'node:events';
import { chmod, lstat, rm } from 'node:fs/promises';
import { connect, type Server } from 'node:net';
import { dirname } from 'node:path';
import { hasCode } from '../errors/index.ts';

/** Connections that wait to be accepted; the system reduces it to its own limit. */
const BACKLOG = 4096;

/**
 * The system has no file descriptor left for a client. The client stays in the queue until there is
 * one.
 */
function stayInQueue(): void {}

/**
 * Listens on a Unix socket that only its own user may open (mode 0600), unless another mode is
 * given. Replaces the file of a dead process. Refuses a file on which another process answers
 * (`EADDRINUSE`), and a file of another kind (`EEXIST`). Throws the system's error otherwise. A
 * later failure to accept a client does not end the process.
 */
export async function listenOnUnixSocket(server: Server, path: string, mode = 0o600): Promise<void> {
  await clearSocketPath(path);
  await refuseMissingFolder(dirname(path));
  // `listen` binds before it returns, so the mask is on for this one call only; the file is private
  // from its first moment.
  const mask = process.umask(0o177);
  let listening: Promise<unknown>;
  try {
    // After a restart every proxy of a machine returns at once, and one without a place in the
    // queue is refused.
    listening = once(server.listen({ path, backlog: BACKLOG }), 'listening');
  } finally {
    process.umask(mask);
  }
  await listening;
  // Without a listener an error of `accept` would end the process.
  if (!server.listeners('error').includes(stayInQueue)) server.on('error', stayInQueue);
  await chmod(path, mode);
}

/**
 * Removes the socket file of a dead process. Throws `EADDRINUSE` where one answers, `EEXIST` for
 * another kind of file.
 */
async function clearSocketPath(path: string): Promise<void> {
  const found = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (!found) return;
  if (!found.isSocket()) throw systemError('EEXIST', `${path} exists and is not a socket`);
  if (await answers(path)) throw systemError('EADDRINUSE', `another process listens on ${path}`);
  await rm(path, { force: true });
}

/**
 * Whether nothing is at that path: the file of a socket that still listens may have been removed.
 */
export async function socketFileIsGone(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return false;
  } catch (error) {
    return hasCode(error, 'ENOENT');
  }
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') resolve(false);
      else reject(error);
    });
  });
}

/** Throws `ENOENT`, where `listen` would call it `EACCES`. */
async function refuseMissingFolder(folder: string): Promise<void> {
  const found = await lstat(folder).catch(() => undefined);
  if (!found) throw systemError('ENOENT', `its folder ${folder} is not there`);
}

function systemError(code: string, message: string): NodeJS.ErrnoException {
  return Object.assign(new Error(message), { code });
}
