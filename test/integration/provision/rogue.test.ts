import { Plant, deviceEvents } from '../../support/gateway-simulator-plant';

let plant: Plant;
beforeAll(async () => {
  plant = await Plant.open();
});
afterEach(() => plant.clear());
afterAll(() => plant.close());

const SERIAL = 'TAICB1046771';
const codes = (outcome: Parameters<typeof deviceEvents>[0]): (string | undefined)[] =>
  deviceEvents(outcome).map((event) => event.failure?.code);

test.each(['possession', 'ekCertificate'])(
  'a box that can prove nothing gets no new password where %s is required',
  async (evidence) => {
    const box = await plant.gateway({ serialNumber: SERIAL, attestation: false });
    expect(codes(await plant.run(['--json', '--require', evidence]))).toEqual([
      'PROVISION_PROOF_UNSUPPORTED',
    ]);
    expect(box.calls).not.toContain('PUT /users/me/password');
    expect(box.mustChange).toBe(true);
  },
);
