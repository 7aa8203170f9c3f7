import { type Static, Type } from '@sinclair/typebox';

/** Where systemd listens for the root helper: root:tpe-agent, 0660. */
export const HELPER_SOCKET = '/run/tpe-helper.sock';

/** One request or answer is one line of JSON; longer ones are refused. */
export const LARGEST_LINE_BYTES = 64 * 1024;

export const ServiceId = Type.String({ pattern: '^[a-z0-9][a-z0-9-]{0,63}$' });
export const HostName = Type.String({
  pattern: '^[A-Za-z0-9]([A-Za-z0-9-]{0,62}[A-Za-z0-9])?$',
  minLength: 1,
  maxLength: 64,
});
const InterfaceName = Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,14}$' });
const Ipv4 = Type.String({ pattern: '^((25[0-5]|2[0-4]\\d|1?\\d?\\d)(\\.(?!$)|$)){4}$' });
const Port = Type.Integer({ minimum: 1, maximum: 65_535 });

/** Addresses of an interface. */
export const EthernetSettings = Type.Object({
  enable: Type.Boolean(),
  enableDhcp: Type.Boolean(),
  ip: Type.Union([Ipv4, Type.Literal('')]),
  netmask: Type.Union([Ipv4, Type.Literal('')]),
  gateway: Type.Union([Ipv4, Type.Literal('')]),
  dns: Type.Array(Ipv4, { maxItems: 3 }),
});
export type EthernetSettings = Static<typeof EthernetSettings>;

/** How long a change of addresses waits for its confirmation. */
export const CONFIRM_WITHIN_MS = 60_000;

export const NtpSettings = Type.Object({
  enable: Type.Boolean(),
  source: Type.String({ maxLength: 32 }),
  server: Type.String({ pattern: '^[A-Za-z0-9.:-]{0,253}$' }),
  interval: Type.Integer({ minimum: 32, maximum: 2048 }),
});
export type NtpSettings = Static<typeof NtpSettings>;

export const TimeZone = Type.String({
  pattern: '^[A-Za-z][A-Za-z0-9_+-]{0,31}(/[A-Za-z0-9_+-]{1,32}){0,2}$',
});

/**
 * Everything the root helper can be asked for. No verb takes a path, a unit name or a command: what an id means is
 * read from root-owned catalogue files on its own side.
 */
export const HelperRequest = Type.Union([
  Type.Object({ verb: Type.Literal('services') }),
  Type.Object({ verb: Type.Literal('setService'), id: ServiceId, enable: Type.Boolean() }),
  /** Puts a service back to what it was before the first setService. */
  Type.Object({ verb: Type.Literal('forgetService'), id: ServiceId }),
  Type.Object({ verb: Type.Literal('setHostName'), hostName: HostName }),
  Type.Object({ verb: Type.Literal('getTime') }),
  Type.Object({
    verb: Type.Literal('setTime'),
    time: Type.String({ pattern: '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ$' }),
  }),
  Type.Object({ verb: Type.Literal('setTimeZone'), timezone: TimeZone }),
  Type.Object({ verb: Type.Literal('setNtp'), ntp: NtpSettings }),
  Type.Object({ verb: Type.Literal('getEthernet'), name: InterfaceName }),
  /** Taken back by the helper itself, unless {@link CONFIRM_WITHIN_MS} brings a confirmEthernet that fits. */
  Type.Object({ verb: Type.Literal('setEthernet'), name: InterfaceName, settings: EthernetSettings }),
  /** Somebody logged in on this address of ours: changes that made it, or left it, stay. */
  Type.Object({
    verb: Type.Literal('confirmEthernet'),
    address: Type.String({ maxLength: 64 }),
    /** Ports that were changed after the connection of that login was made, which proves nothing of them. */
    except: Type.Optional(Type.Array(InterfaceName, { maxItems: 64 })),
  }),
  Type.Object({ verb: Type.Literal('getSshPort') }),
  Type.Object({ verb: Type.Literal('setSshPort'), port: Port }),
]);
export type HelperRequest = Static<typeof HelperRequest>;

/** What a catalogue id is on this gateway, and what is. */
export const ActualService = Type.Object({
  id: ServiceId,
  /** False where the unit is not installed. */
  available: Type.Boolean(),
  /** What was asked for; `undefined` when nobody asked yet. */
  desired: Type.Optional(Type.Boolean()),
  /** True when at least one of its units runs. */
  active: Type.Boolean(),
  /** Why it is not as desired. */
  problem: Type.Optional(Type.String()),
});
export type ActualService = Static<typeof ActualService>;

export const HelperAnswers = {
  services: Type.Object({ services: Type.Array(ActualService, { maxItems: 256 }) }),
  setService: ActualService,
  forgetService: ActualService,
  setHostName: Type.Object({}),
  getTime: Type.Object({ timezone: Type.String(), ntp: NtpSettings, synchronized: Type.Boolean() }),
  setTime: Type.Object({}),
  setTimeZone: Type.Object({}),
  setNtp: Type.Object({}),
  getEthernet: Type.Object({
    ...EthernetSettings.properties,
    /** A change of it waits for its confirmation. */
    unconfirmed: Type.Boolean(),
  }),
  setEthernet: Type.Object({}),
  confirmEthernet: Type.Object({
    /** Changes that still wait. */
    waiting: Type.Integer({ minimum: 0 }),
  }),
  getSshPort: Type.Object({ port: Port }),
  setSshPort: Type.Object({}),
} as const;

export type HelperVerb = HelperRequest['verb'];
export type RequestOf<V extends HelperVerb> = Extract<HelperRequest, { verb: V }>;
export type AnswerOf<V extends HelperVerb> = Static<(typeof HelperAnswers)[V]>;

/** One line of answer. */
export const HelperReply = Type.Union([
  Type.Object({ ok: Type.Literal(true), value: Type.Unknown() }),
  Type.Object({
    ok: Type.Literal(false),
    code: Type.String({ maxLength: 64 }),
    reason: Type.String({ maxLength: 4096 }),
  }),
]);
export type HelperReply = Static<typeof HelperReply>;
