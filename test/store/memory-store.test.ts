import { createMemoryStore } from '../../src/store/index.ts';
import { describeStoreContract } from '../../testkit/contract/bundle-store-contract.ts';

describeStoreContract('createMemoryStore()', async () => createMemoryStore());
