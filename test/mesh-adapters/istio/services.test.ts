import { meshServicesContract } from '../../../testkit/contract/mesh-services-contract.ts';
import { openIstioServices } from './services-harness.ts';

meshServicesContract('createIstioServices()', openIstioServices);
