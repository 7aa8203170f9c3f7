import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

const run = promisify(execFile);

/**
 * Hosts on one machine: network namespaces inside a namespace of our own, so that nothing of the machine's network is
 * seen or touched, no root is needed where user namespaces are allowed, and all is gone when the holder ends.
 */
export class NetworkLab {
  readonly #holder: ChildProcess;
  readonly #enter: readonly string[];

  private constructor(holder: ChildProcess, enter: readonly string[]) {
    this.#holder = holder;
    this.#enter = enter;
  }

  static async open(): Promise<NetworkLab> {
    const root = process.getuid?.() === 0;
    // The holder ends with its standard input, so that it does not outlive a killed test run.
    const script =
      'mount -t tmpfs tmpfs /run && mkdir /run/netns && ip link set lo up && echo ready && exec cat';
    const holder = spawn(
      'unshare',
      [...(root ? [] : ['--map-root-user']), '--net', '--mount', 'sh', '-c', script],
      { stdio: ['pipe', 'pipe', 'pipe'] },
    );
    let stderr = '';
    holder.stderr.on('data', (text: Buffer) => (stderr += text.toString()));
    const [line] = (await Promise.race([
      once(createInterface({ input: holder.stdout }), 'line'),
      once(holder, 'exit'),
    ])) as [unknown];
    if (line !== 'ready') {
      throw new Error(
        `no network namespaces here: ${stderr}Run as root, or allow user namespaces (sysctl kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0).`,
      );
    }
    const target = ['--net', '--mount', '--target', String(holder.pid)];
    return new NetworkLab(holder, [
      'nsenter',
      ...(root ? [] : ['--user', '--preserve-credentials']),
      ...target,
    ]);
  }

  /** Put before a command runs it on this host; without a name where the hosts' cables end. */
  on(host?: string): string[] {
    return host === undefined ? [...this.#enter] : [...this.#enter, 'ip', 'netns', 'exec', host];
  }

  /** Commands of `ip`, one a line. */
  async ip(commands: string): Promise<void> {
    for (const line of commands.trim().split('\n'))
      await this.command([...this.on(), 'ip', ...line.trim().split(' ')]);
  }

  /** A host with `eth0` that is plugged into the bridge. */
  async host(name: string, bridge: string, address: string): Promise<void> {
    await this.ip(`netns add ${name}
      link add ${name} type veth peer name eth0 netns ${name}
      link set ${name} master ${bridge} up
      -n ${name} addr add ${address} dev eth0
      -n ${name} link set lo up
      -n ${name} link set eth0 up`);
  }

  async bridge(name: string): Promise<void> {
    await this.ip(`link add ${name} type bridge\nlink set ${name} up`);
  }

  /** Runs to the end; fails with what it said. Returns its stdout. */
  async command([program = '', ...args]: readonly string[]): Promise<string> {
    return (await run(program, args)).stdout;
  }

  async close(): Promise<void> {
    const ended = once(this.#holder, 'exit');
    this.#holder.stdin?.end();
    await ended;
  }
}
