import { Gateway } from './gateway';
import { type Swtpm, startSwtpm } from './swtpm';

export interface GatewayFixture {
  readonly tpm: () => Swtpm;
  /** A running gateway; it ends with the test. @param tcti of another TPM than the file's own. */
  readonly started: (folder: string, tcti?: string) => Promise<Gateway>;
}

/** For a test file: one software TPM for all its tests, and the gateways that they start. */
export function gatewayFixture(): GatewayFixture {
  let tpm: Swtpm;
  const gateways: Gateway[] = [];
  beforeAll(async () => {
    tpm = await startSwtpm();
  });
  afterEach(async () => {
    await Promise.all(gateways.splice(0).map(async (gateway) => gateway.stop()));
  });
  afterAll(() => tpm.stop());
  return {
    tpm: () => tpm,
    started: async (folder, tcti = tpm.tcti) => {
      const gateway = new Gateway({ folder, tcti });
      gateways.push(gateway);
      await gateway.start();
      return gateway;
    },
  };
}
