import { readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { parse } from 'yaml';
import { canListen, readRegularFileSync } from '../../platform/index.ts';

const FIRST_PORT = 8443;
const MOST_PORTS = 1000;
/** More folders next to each other than this are not looked at. */
const MOST_FOLDERS = 500;

/** Chooses ports of the loopback address, each once. */
export interface PortChooser {
  next(): Promise<number>;
}

/**
 * Chooses ports from 8443 on that are free now, and that no config written by `federate init` next
 * to this folder names. Two agents are often set up before the first is started.
 */
export function createPortChooser(folder: string): PortChooser {
  const taken = portsNextTo(folder);
  let port = FIRST_PORT;
  return {
    next: async () => {
      for (; port < FIRST_PORT + MOST_PORTS; port += 1) {
        if (taken.has(port) || !(await canListen({ host: '127.0.0.1', port }))) continue;
        taken.add(port);
        return port;
      }
      throw new RangeError(`no port from ${FIRST_PORT} to ${FIRST_PORT + MOST_PORTS - 1} is free`);
    },
  };
}

/** The ports in the configs of the folders next to this one. */
function portsNextTo(folder: string): Set<number> {
  const ports = new Set<number>();
  const others = foldersIn(dirname(folder)).filter((name) => name !== basename(folder));
  for (const name of others)
    for (const file of ['agent.yaml', 'mesh.yaml']) collectPorts(join(dirname(folder), name, file), ports);
  return ports;
}

function foldersIn(folder: string): string[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .slice(0, MOST_FOLDERS)
      .map(({ name }) => name);
  } catch {
    return [];
  }
}

/** Skips a file that is not there or not YAML. */
function collectPorts(file: string, ports: Set<number>): void {
  let value: unknown;
  try {
    value = parse(readRegularFileSync(file).toString('utf8'));
  } catch {
    return;
  }
  const { endpoint, kubernetes_listen: api, http_listen: http, grpc_listen: grpc } = Object(value);
  for (const text of [Object(endpoint).listen, api, http, grpc] as unknown[]) {
    const port = typeof text === 'string' ? Number(/:(\d{1,5})$/.exec(text)?.[1]) : Number.NaN;
    if (Number.isInteger(port)) ports.add(port);
  }
}
