import { type Static, Type } from '@sinclair/typebox';

const strict = { additionalProperties: false } as const;
const Port = Type.Integer({ minimum: 0, maximum: 65535 });
const Path = Type.String({ pattern: '^/', description: 'an absolute path' });

/** The settings file, all sections and keys. systemd/config.toml explains each where it is set. */
export const SettingsSchema = Type.Object(
  {
    paths: Type.Optional(
      Type.Object(
        { state: Type.Optional(Path), runtime: Type.Optional(Path), audit: Type.Optional(Path) },
        strict,
      ),
    ),
    log: Type.Optional(
      Type.Object(
        {
          level: Type.Optional(
            Type.Union(['trace', 'debug', 'info', 'warn', 'error'].map((level) => Type.Literal(level))),
          ),
        },
        strict,
      ),
    ),
    device: Type.Optional(
      Type.Object(
        {
          serialNumber: Type.Optional(Type.String({ pattern: '^[A-Za-z0-9-]{1,64}$' })),
          modelName: Type.Optional(Type.String({ pattern: '^[\\x20-\\x7e]{1,64}$' })),
          macAddress: Type.Optional(Type.String({ pattern: '^([0-9A-Fa-f]{2}[:-]?){5}[0-9A-Fa-f]{2}$' })),
          firmwareVersion: Type.Optional(Type.String({ pattern: '^[\\x20-\\x7e]{0,64}$' })),
        },
        strict,
      ),
    ),
    tpm: Type.Optional(
      Type.Object(
        {
          tcti: Type.Optional(Type.String({ minLength: 1, maxLength: 256 })),
          ekTemplate: Type.Optional(Type.Union([Type.Literal('tcg'), Type.Literal('azure-legacy')])),
          identityKey: Type.Optional(Type.Union([Type.Literal('wrapped'), Type.Literal('persistent')])),
          ekCaFolder: Type.Optional(Path),
        },
        strict,
      ),
    ),
    discovery: Type.Optional(
      Type.Object(
        {
          port: Type.Optional(Port),
          address: Type.Optional(Type.String({ minLength: 2, maxLength: 64 })),
          interfaces: Type.Optional(
            Type.Array(Type.String({ pattern: '^[A-Za-z0-9._-]{1,15}$' }), { minItems: 1, maxItems: 32 }),
          ),
        },
        strict,
      ),
    ),
    api: Type.Optional(
      Type.Object(
        {
          address: Type.Optional(Type.String({ minLength: 2, maxLength: 64 })),
          port: Type.Optional(Port),
          httpPort: Type.Optional(Port),
          allow: Type.Optional(
            Type.Array(Type.String({ minLength: 2, maxLength: 64 }), { minItems: 1, maxItems: 256 }),
          ),
        },
        strict,
      ),
    ),
    azure: Type.Optional(
      Type.Object(
        {
          trustedCaFile: Type.Optional(Path),
          hubGateway: Type.Optional(Type.String({ pattern: '^[A-Za-z0-9.:\\[\\]-]{1,253}:[0-9]{1,5}$' })),
          reprovision: Type.Optional(
            Type.Union([
              Type.Literal('dynamic'),
              Type.Literal('alwaysOnStartup'),
              Type.Literal('onErrorOnly'),
            ]),
          ),
          dpsHosts: Type.Optional(
            Type.Array(
              Type.String({ pattern: '^([A-Za-z0-9.-]{1,253}|\\[[0-9A-Fa-f:]+\\])(:[0-9]{1,5})?$' }),
              {
                minItems: 1,
                maxItems: 16,
              },
            ),
          ),
          proxy: Type.Optional(Type.String({ pattern: '^https?://' })),
          transport: Type.Optional(Type.Union([Type.Literal('mqtt'), Type.Literal('mqtt-websockets')])),
          directMethodRole: Type.Optional(
            Type.Union([Type.Literal('administrator'), Type.Literal('operator'), Type.Literal('viewer')]),
          ),
          telemetryPeriodSec: Type.Optional(Type.Integer({ minimum: 0, maximum: 86_400 })),
        },
        strict,
      ),
    ),
    watchdog: Type.Optional(
      Type.Object(
        {
          tpmSec: Type.Optional(Type.Integer({ minimum: 5, maximum: 3600 })),
          connectionSec: Type.Optional(Type.Integer({ minimum: 5, maximum: 86_400 })),
        },
        strict,
      ),
    ),
  },
  strict,
);

/** The file as it was written, checked. */
export type SettingsFile = Static<typeof SettingsSchema>;

type Section<K extends keyof SettingsFile> = NonNullable<SettingsFile[K]>;
type With<T, D extends keyof T> = Omit<T, D> & { [K in D]-?: NonNullable<T[K]> };

/** The settings with their defaults filled in. */
export interface Settings {
  readonly paths: { readonly state: string; readonly runtime: string; readonly audit: string };
  readonly log: { readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error' };
  readonly device: Section<'device'>;
  readonly tpm: With<Section<'tpm'>, 'ekTemplate' | 'identityKey'>;
  readonly discovery: With<Section<'discovery'>, 'port'>;
  readonly api: With<Section<'api'>, 'address' | 'port'>;
  readonly azure: With<Section<'azure'>, 'reprovision' | 'dpsHosts' | 'transport' | 'telemetryPeriodSec'>;
  readonly watchdog: Required<Section<'watchdog'>>;
}
