"""Poses as a TPM device: a raw pseudo-terminal whose commands go to a TPM on a socket in the file system.

One at a time, as the kernel's device does.

usage: pty_tpm.py SOCKET
Prints the path of the device. A line "silent" on standard input swallows commands from then on, "answer" ends that;
each is confirmed by the same line on standard output.
"""
import os
import pty
import select
import socket
import sys
import tty


def read_frame(receive):
    data = b""
    while len(data) < 10 or len(data) < int.from_bytes(data[2:6], "big"):
        part = receive(4096)
        if not part:
            raise EOFError
        data += part
    return data


def main():
    master, slave = pty.openpty()
    tty.setraw(master)
    tty.setraw(slave)
    print(os.ttyname(slave), flush=True)
    silent = False
    while True:
        ready, _, _ = select.select([master, 0], [], [])
        if 0 in ready:
            line = os.read(0, 100).decode().strip()
            if not line:
                return
            silent = line == "silent"
            print(line, flush=True)
        if master in ready:
            command = read_frame(lambda size: os.read(master, size))
            if silent:
                continue
            with socket.socket(socket.AF_UNIX) as tpm:
                tpm.connect(sys.argv[1])
                tpm.sendall(command)
                os.write(master, read_frame(tpm.recv))


main()
