import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

/** Python's standard library speaks AF_UNIX datagrams; it prints sender pid and message of each as JSON. */
const receiver = `
import json, socket, struct, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
name = sys.argv[1]
s.bind('\\0' + name[1:] if name.startswith('@') else name)
s.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
print('"bound"', flush=True)
while True:
    data, control, _, _ = s.recvmsg(4096, 128)
    print(json.dumps({'pid': struct.unpack('3i', control[0][2])[0], 'text': data.decode()}), flush=True)
`;

export interface Notice {
  readonly pid: number;
  readonly text: string;
}

/** Stands in for systemd's end of `$NOTIFY_SOCKET`. */
export class NotifyReceiver {
  /** Everything that came, in order. */
  readonly notices: Notice[] = [];
  readonly #child: ChildProcess;
  #read = 0;
  #wake: () => void = () => undefined;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** @param name a path, or a name of the abstract namespace with `@` before it. */
  static async start(name: string): Promise<NotifyReceiver> {
    const child = spawn('python3', ['-c', receiver, name], { stdio: ['ignore', 'pipe', 'inherit'] });
    const made = new NotifyReceiver(child);
    await new Promise<void>((resolve, reject) => {
      child.once('error', reject);
      createInterface({ input: child.stdout }).on('line', (line) => {
        const value = JSON.parse(line) as Notice | 'bound';
        if (value === 'bound') resolve();
        else made.#take(value);
      });
    });
    return made;
  }

  /** The next notice that was not read yet. */
  async next(): Promise<Notice> {
    for (;;) {
      const notice = this.notices[this.#read];
      if (notice !== undefined) {
        this.#read += 1;
        return notice;
      }
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, 'exit');
    this.#child.kill();
    await gone;
  }

  #take(notice: Notice): void {
    this.notices.push(notice);
    this.#wake();
  }
}
