import { createMemoryStore } from '../../src/store/index.ts';
import { describeStoreContract } from '../contract/bundle-store-contract.ts';

describeStoreContract('createMemoryStore()', async () => createMemoryStore());
