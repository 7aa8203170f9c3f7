import type { ReprovisionPolicy } from '../../src/agent/connection/fsm';
import type { FaultRule } from '../../src/emulator/faults/faults';
import type { TestEmulator } from './emulator';
import { FakeClock } from './fake-clock';
import { LifecycleRig, admin, enroll, unenroll } from './lifecycle-rig';
import { NodeTpm } from './node-tpm';

const MINUTE = 60_000;
/** Of the fake clock for every look at a running operation: little while it may be at work… */
const OPERATING_STEP_MS = 10;
/** …and much when it can only be waiting for a time-out. */
const WORKING_MS = 700;
const WAITING_STEP_MS = 1000;
const IDLE_STEP_MS = MINUTE;
const PATIENCE_MS = 20_000;

export const DPS_WEATHER = {
  fine: [],
  drops: [{ point: 'dps-challenge', action: { type: 'drop' } }],
  throttles: [
    {
      point: 'dps-challenge',
      action: { type: 'status', status: 429, headers: { 'retry-after': '90' }, body: {} },
    },
  ],
  fails: [{ point: 'dps-register', action: { type: 'status', status: 503, body: {} } }],
  unassigns: [{ point: 'dps-register', action: { type: 'result', status: 'unassigned' } }],
  garbles: [{ point: 'dps-poll', action: { type: 'garbage' } }],
  corrupts: [{ point: 'dps-poll', action: { type: 'corruptBlob', field: 3 } }],
} satisfies Record<string, FaultRule[]>;

export const HUB_WEATHER = {
  fine: [],
  drops: [{ point: 'hub-connect', action: { type: 'drop' } }],
  refuses: [{ point: 'hub-connect', action: { type: 'connack', code: 5 } }],
  unavailable: [{ point: 'hub-connect', action: { type: 'connack', code: 3 } }],
  silent: [{ point: 'hub-connect', action: { type: 'silence' } }],
  garbles: [{ point: 'hub-connect', action: { type: 'garbage' } }],
} satisfies Record<string, FaultRule[]>;

/**
 * One gateway with its real effects – DPS over HTTPS, IoT Hub over MQTT, state on disk – by a fake clock that the clock
 * of the emulated services follows, whatever the gateway's own wall clock says.
 */
export class ModelWorld {
  readonly clock = new FakeClock(Date.now());
  readonly tpm = new NodeTpm();
  readonly faults: string[] = [];
  enabled = true;
  enrolled = true;
  deviceEnabled = true;
  dps: keyof typeof DPS_WEATHER = 'fine';
  hub: keyof typeof HUB_WEATHER = 'fine';
  rig!: LifecycleRig;
  #truth = Date.now();
  #jumped = 0;

  private constructor(
    readonly emulator: TestEmulator,
    readonly id: string,
    readonly policy: ReprovisionPolicy,
  ) {}

  static async open(emulator: TestEmulator, id: string, policy: ReprovisionPolicy): Promise<ModelWorld> {
    const world = new ModelWorld(emulator, id, policy);
    emulator.faults.clear();
    await world.#syncServices();
    await enroll(emulator, world.tpm, id);
    world.rig = await LifecycleRig.open(emulator, world.tpm, {
      registrationId: id,
      clock: world.clock,
      random: Math.random,
      // A renewal that meets a silent hub waits by mqtt.js's own timer.
      hubTimeoutMs: 3000,
      builtAtMs: world.#truth - 24 * 60 * MINUTE,
      settings: { reprovision: policy, trustedCaFile: emulator.ready.ca, hubGateway: emulator.ready.hub },
    });
    await world.rig.lifecycle.start();
    await world.rig.configure();
    return world;
  }

  get state(): string {
    return this.rig.lifecycle.status().state;
  }

  get operating(): boolean {
    return this.state === 'registering' || this.state === 'connecting';
  }

  /** The hubs that hold a connection of this device. */
  get connectedHubs(): string[] {
    return [...this.emulator.hubs.values()]
      .filter((hub) => hub.link(this.id) !== undefined)
      .map(({ hostName }) => hostName);
  }

  setWeather(): void {
    this.emulator.faults.clear();
    for (const rule of [...DPS_WEATHER[this.dps], ...HUB_WEATHER[this.hub]]) {
      this.emulator.faults.add({ ...rule, id: this.id });
    }
  }

  async setEnrolled(enrolled: boolean): Promise<void> {
    this.enrolled = enrolled;
    if (enrolled) await enroll(this.emulator, this.tpm, this.id);
    else await unenroll(this.emulator, this.id).catch(() => undefined);
  }

  async setDeviceEnabled(enabled: boolean): Promise<void> {
    this.deviceEnabled = enabled;
    for (const hub of this.emulator.hubs.values()) {
      await hub.update(this.id, (device) => ({ ...device, status: enabled ? 'enabled' : 'disabled' }));
      if (!enabled) hub.link(this.id)?.close('the device was disabled');
    }
  }

  async setEnabled(enabled: boolean): Promise<void> {
    this.enabled = enabled;
    await this.rig.azure.patch({ enable: enabled });
  }

  /** The gateway's wall clock jumps; time itself does not. */
  jump(ms: number): void {
    this.#jumped += ms;
    this.clock.jump(ms);
  }

  setClockRight(): void {
    this.jump(-this.#jumped);
  }

  async restart(): Promise<void> {
    this.rig = await this.rig.restart();
    await this.rig.lifecycle.start();
  }

  async lose(): Promise<void> {
    for (const hub of this.emulator.hubs.values()) hub.link(this.id)?.close('lost');
    await this.settle();
  }

  /** Lets operations that are under way end, and the hub see what the gateway did. */
  async settle(): Promise<void> {
    const start = performance.now();
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, 2));
      const waited = performance.now() - start;
      if (this.operating) this.#advance(waited < WORKING_MS ? OPERATING_STEP_MS : WAITING_STEP_MS);
      else if (this.connectedHubs.length === (this.state === 'connected' ? 1 : 0)) return;
      if (waited > PATIENCE_MS) {
        const { log } = this.rig;
        this.faults.push(
          `stuck in ${this.state}, connected to ${this.connectedHubs.join()}`,
          ...log.slice(-12),
        );
        return;
      }
    }
  }

  /** Lets time pass, until `done` when given. */
  async pass(minutes: number, done: () => boolean = () => false): Promise<void> {
    for (let left = minutes * MINUTE; left > 0 && !done(); left -= IDLE_STEP_MS) {
      const { tokens } = this.rig.lifecycle.status().counters;
      const sessions = this.rig.counts()['hubSessions'];
      const wasConnected = this.state === 'connected';
      this.#advance(Math.min(left, IDLE_STEP_MS));
      await this.settle();
      const renewed = wasConnected && this.rig.lifecycle.status().counters.tokens > tokens;
      // The SDK connects anew with the renewed token; no fake minute may pass meanwhile.
      const end = performance.now() + PATIENCE_MS;
      const connects = (): boolean => this.hub === 'fine' && this.deviceEnabled && this.state === 'connected';
      while (renewed && connects() && this.rig.counts()['hubSessions'] === sessions) {
        if (performance.now() > end) break;
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
      await this.settle();
      await this.#syncServices();
      await this.settle();
    }
  }

  /** Everything that could be in the way is put right. */
  async putRight(): Promise<void> {
    [this.dps, this.hub] = ['fine', 'fine'];
    this.setWeather();
    this.setClockRight();
    if (!this.enrolled) await this.setEnrolled(true);
    await this.setDeviceEnabled(true);
    if (!this.enabled) await this.setEnabled(true);
    await this.settle();
  }

  async end(): Promise<void> {
    await this.rig.end();
    await this.rig.lifecycle.stop();
  }

  #advance(ms: number): void {
    this.#truth += ms;
    this.clock.advance(ms);
  }

  async #syncServices(): Promise<void> {
    await admin(this.emulator, 'PATCH', '/settings', { clockOffsetMs: Math.round(this.#truth - Date.now()) });
  }
}
