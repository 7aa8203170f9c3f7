import type { EmulatorOptions } from '../../../src/emulator/emulator';
import { openTpm } from '../../../src/agent/tpm';
import type { ManagedTpm } from '../../../src/agent/tpm/types';
import { type TestEmulator, startEmulator } from '../../support/emulator';
import { LifecycleRig, type RigOptions, enroll } from '../../support/lifecycle-rig';
import { type Swtpm, startSwtpm } from '../../support/swtpm';
import { expectNothingLeft } from '../../support/tpm-fixture';

/** Emulator and TPM for the tests of one file; every test gets a fresh rig. */
export interface LifecycleWorld {
  emulator: TestEmulator;
  swtpm: Swtpm;
  tpm: ManagedTpm;
  /** A rig that is ended after the test. */
  rig(options?: RigOptions): Promise<LifecycleRig>;
  /** The same, enrolled, configured and connected. */
  connected(options?: RigOptions): Promise<LifecycleRig>;
  /** Restarts the agent of a rig on the same state. */
  restarted(rig: LifecycleRig, options?: RigOptions): Promise<LifecycleRig>;
}

/** Sets up what {@link LifecycleWorld} names, and after each test demands that the TPM is left clean. */
export function lifecycleWorld(options: Partial<EmulatorOptions> = {}): LifecycleWorld {
  const rigs: LifecycleRig[] = [];
  const world = {
    async rig(options: RigOptions = {}) {
      const rig = await LifecycleRig.open(world.emulator, world.tpm, options);
      rigs.push(rig);
      return rig;
    },
    async connected(options: RigOptions = {}) {
      const rig = await world.rig(options);
      await enroll(world.emulator, world.tpm, rig.registrationId);
      await rig.lifecycle.start();
      await rig.configure();
      await rig.until('connected');
      return rig;
    },
    async restarted(rig: LifecycleRig, options: RigOptions = {}) {
      const again = await rig.restart(world.tpm, options);
      rigs.push(again);
      await again.lifecycle.start();
      return again;
    },
  } as LifecycleWorld;

  beforeAll(async () => {
    [world.emulator, world.swtpm] = await Promise.all([startEmulator(options), startSwtpm()]);
  });
  beforeEach(async () => {
    world.emulator.faults.clear();
    world.emulator.counters.reset();
    world.emulator.clock.offsetMs = 0;
    world.tpm = await openTpm({ tcti: world.swtpm.tcti });
  });
  afterEach(async () => {
    for (const rig of rigs.splice(0).reverse()) await rig.end();
    await world.tpm.close();
    await expectNothingLeft(world.swtpm);
  });
  afterAll(async () => {
    await world.emulator.end();
    await world.swtpm.stop();
  });
  return world;
}
