import { type Socket, createSocket } from 'node:dgram';
import { closeSync } from 'node:fs';
import { TpeError, reasonOf } from '../../common/errors/tpe-error';
import { errnoName, systemAddon } from '../system/native';

/** A socket of the responder, and the interface that it is bound to. */
export interface BoundSocket {
  readonly socket: Socket;
  /** `undefined` for the one socket that hears all interfaces. */
  readonly interfaceName: string | undefined;
  readonly family: 4 | 6;
}

async function bound(
  socket: Socket,
  where: { fd: number } | { port: number; address?: string },
  port: number,
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    socket.once('error', (error) => {
      socket.close();
      reject(new TpeError('DISCOVERY_PORT_UNUSABLE', { port, reason: reasonOf(error) }, { cause: error }));
    });
    socket.bind(where, () => {
      socket.removeAllListeners('error');
      resolve();
    });
  });
}

/** One IPv4 socket for everything, or for one address. @throws DISCOVERY_PORT_UNUSABLE */
export async function openPlainSocket(port: number, address: string | undefined): Promise<BoundSocket> {
  const family = address?.includes(':') === true ? 6 : 4;
  const socket = createSocket({ type: family === 6 ? 'udp6' : 'udp4' });
  await bound(socket, { port, ...(address === undefined ? {} : { address }) }, port);
  return { socket, interfaceName: undefined, family };
}

/**
 * A socket that hears and speaks on one interface only, so that its answers name the right address and a
 * limited broadcast leaves where it should.
 * @returns `undefined` where the kernel does not allow it: before 5.7 without CAP_NET_RAW.
 * @throws DISCOVERY_PORT_UNUSABLE
 */
export async function openInterfaceSocket(
  interfaceName: string,
  family: 4 | 6,
  port: number,
): Promise<BoundSocket | undefined> {
  let fd: number;
  try {
    fd = systemAddon().openUdpSocket(interfaceName, family, port);
  } catch (error) {
    if (errnoName(error) === 'EPERM') return undefined;
    throw new TpeError('DISCOVERY_PORT_UNUSABLE', { port, reason: reasonOf(error) }, { cause: error });
  }
  const socket = createSocket({ type: family === 6 ? 'udp6' : 'udp4' });
  try {
    await bound(socket, { fd }, port);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  return { socket, interfaceName, family };
}

/** Cellular, tunnels, containers and their bridges: discovery is for the plant's own network. */
const NOT_LAN =
  /^(wwan|wwp|ww|ppp|rmnet|tun|tap|wg|docker|br-[0-9a-f]{12}|veth|cni|flannel|cali|virbr|vnet|podman|lxc|ifb|dummy|sit|gre|ip6)/;

/** Interfaces that discovery answers on; loopback too, for whoever stands at the gateway itself. */
export function discoveryInterfaces(
  names: readonly string[],
  configured: readonly string[] | undefined,
): string[] {
  const chosen =
    configured === undefined
      ? names.filter((name) => !NOT_LAN.test(name))
      : names.filter((name) => configured.includes(name));
  return ['lo', ...chosen];
}
