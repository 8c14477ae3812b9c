import { firstLineOf, type InteropProgram } from '../support/program.ts';

/** Vault's PKI as a source of own roots. OpenBao's `bao` is the same program by another name. */
export const vault: InteropProgram = {
  name: 'vault',
  variable: 'FEDERATE_VAULT',
  command: 'vault',
  version: (executable) => firstLineOf(executable, ['version'], /^((?:Vault|OpenBao) v[^\s,]+)/m),
  install: 'a Vault or OpenBao release',
  suite: { file: 'test/interop/vault.test.ts', env: (executable) => ({ FEDERATE_VAULT: executable }) },
};
