import type { Command } from 'commander';
import type { Terminal } from '../terminal.ts';
import { addImportVerbs } from './service-import.ts';

/** `federate service`: services of peers that we use, and services of ours that peers use. */
export function serviceCommand(program: Command, terminal: Terminal): void {
  const service = program
    .command('service')
    .description('services between meshes: what peers offer, what is imported and under which name');
  addImportVerbs(service, terminal);
}
