import { join } from 'node:path';
import { type Static, Type } from '@sinclair/typebox';
import { type TpeError, isTpeError } from '../../common/errors/tpe-error';
import { StateFile } from '../../common/fs/state-file';
import type { WrappedKey } from '../tpm/types';

const Base64 = Type.String({ pattern: '^[A-Za-z0-9+/]*={0,2}$', maxLength: 8192 });

const Assignment = Type.Object({
  endpoint: Type.String(),
  idScope: Type.String(),
  registrationId: Type.String(),
  hub: Type.String({ minLength: 1 }),
  deviceId: Type.String({ minLength: 1 }),
  /** TPM2B_PUBLIC and TPM2B_PRIVATE of the hub key, wrapped by the SRK. */
  key: Type.Object({ public: Base64, private: Base64 }),
  substatus: Type.Optional(Type.String()),
  payload: Type.Optional(Type.Unknown()),
  /** ISO 8601. */
  assignedAt: Type.String(),
});
export type Assignment = Static<typeof Assignment>;

const Connection = Type.Object({
  /** The endorsement key that this gateway was first seen with. */
  ek: Type.Optional(
    Type.Object({
      /** Hexadecimal. */
      name: Type.String({ pattern: '^[0-9a-f]{2,132}$' }),
      template: Type.Optional(Type.Union([Type.Literal('tcg'), Type.Literal('azure-legacy')])),
    }),
  ),
  assignment: Type.Optional(Assignment),
});
export type ConnectionState = Static<typeof Connection>;

export function keyOf(assignment: Assignment): WrappedKey {
  return {
    public: Buffer.from(assignment.key.public, 'base64'),
    private: Buffer.from(assignment.key.private, 'base64'),
  };
}

/** What the gateway is to the cloud, in `connection.json`: EK, hub, device id and key change in one rename. */
export class ConnectionStore {
  readonly #file: StateFile<typeof Connection>;
  #current: ConnectionState = {};
  #damage: TpeError | undefined;

  private constructor(stateFolder: string) {
    this.#file = new StateFile(join(stateFolder, 'connection.json'), Connection);
  }

  /** When both copies are damaged it starts empty, {@link damage} says so, and the gateway registers again. */
  static async open(stateFolder: string): Promise<ConnectionStore> {
    const store = new ConnectionStore(stateFolder);
    try {
      store.#current = (await store.#file.load()) ?? {};
    } catch (error) {
      if (!isTpeError(error, 'STATE_DAMAGED')) throw error;
      store.#damage = error;
    }
    return store;
  }

  current(): ConnectionState {
    return this.#current;
  }

  get damage(): TpeError | undefined {
    return this.#damage;
  }

  /** Name of the recorded EK, for opening the TPM. */
  expectedEkName(): Buffer | undefined {
    const { ek } = this.#current;
    return ek === undefined ? undefined : Buffer.from(ek.name, 'hex');
  }

  /** Commits; survives a power cut once it resolves. */
  async save(state: ConnectionState): Promise<void> {
    await this.#file.save(state);
    this.#current = state;
    this.#damage = undefined;
  }
}
