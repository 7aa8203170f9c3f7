import type { Discovery } from '../discovery/discovery';
import type { InnerService } from '../services/catalogue';
import type { ApiDependencies, HttpServerControl } from './dependencies';

interface InnerParts {
  readonly azure: Pick<ApiDependencies['azure'], 'current' | 'patch'>;
  readonly discovery: Pick<Discovery, 'provision' | 'setProvision'>;
  readonly server: Pick<HttpServerControl, 'settings' | 'change'>;
}

/** The services that the agent itself is. */
export function innerServices({ azure, discovery, server }: InnerParts): Record<string, InnerService> {
  return {
    httpsservice: {
      isEnabled: () => true,
      setEnabled: () => Promise.resolve(),
      protectedBecause: 'it is the way in',
    },
    httpservice: {
      isEnabled: () => server.settings().httpEnable,
      setEnabled: (httpEnable) => server.change({ httpEnable }),
    },
    cloud: {
      isEnabled: () => azure.current().enable,
      setEnabled: async (enable) => {
        await azure.patch({ enable });
      },
    },
    provision: {
      isEnabled: () => discovery.provision.enable,
      setEnabled: (enable) => discovery.setProvision({ ...discovery.provision, enable }),
    },
    provisionschedule: {
      isEnabled: () => discovery.provision.schedule.enable,
      setEnabled: (enable) =>
        discovery.setProvision({
          ...discovery.provision,
          schedule: { ...discovery.provision.schedule, enable },
        }),
    },
  };
}
