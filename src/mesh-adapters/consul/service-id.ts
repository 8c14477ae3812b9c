import { parseServiceId, type ServiceId } from '../../services/index.ts';

/** The service ID that is Consul's name too, or undefined where the name is not DNS labels. */
export function serviceIdOf(name: string): ServiceId | undefined {
  try {
    return parseServiceId(name);
  } catch {
    return undefined;
  }
}
