import { runHelper } from '../../agent/services/helper';
import { TpeError } from '../../common/errors/tpe-error';

/** First descriptor that systemd hands over (sd_listen_fds(3)). */
const LISTEN_FD = 3;

/**
 * The root helper, on the socket that systemd opened for it.
 * @throws HELPER_NOT_ACTIVATED when anybody else starts it: it serves nothing but that socket.
 */
export async function helper(environment: NodeJS.ProcessEnv = process.env): Promise<void> {
  const { LISTEN_FDS, LISTEN_PID } = environment;
  if (LISTEN_FDS !== '1' || LISTEN_PID !== String(process.pid)) throw new TpeError('HELPER_NOT_ACTIVATED');
  await runHelper(LISTEN_FD);
}
