#!/usr/bin/env python3
"""Lets a pseudo-terminal pose as a TPM device: pty-tpm.py SWTPM-PORT LINK

LINK becomes a symbolic link to the slave. One command and one response at a time, framed by the size field of the TPM
header (TPM 2.0 Part 1, 18), as the kernel's /dev/tpm0 does. Prints "ready" and runs until it is killed.
"""

import os
import socket
import struct
import sys
import tty

port, link = int(sys.argv[1]), sys.argv[2]
master, slave = os.openpty()
tty.setraw(master)
tty.setraw(slave)
os.symlink(os.ttyname(slave), link)
# The slave stays open here, so that the master sees no end of file between two programs.


def read_exactly(read, size):
    data = b""
    while len(data) < size:
        part = read(size - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def framed(read):
    header = read_exactly(read, 10)
    return header + read_exactly(read, struct.unpack(">HII", header)[1] - 10)


print("ready", flush=True)
connection = None
while True:
    command = framed(lambda n: os.read(master, n))
    for attempt in range(2):
        try:
            if connection is None:
                connection = socket.create_connection(("127.0.0.1", port))
            connection.sendall(command)
            response = framed(connection.recv)
            break
        except (EOFError, OSError):
            # swtpm was restarted: its old connection is dead, the command was not carried out.
            connection = None
    else:
        sys.exit("the TPM does not answer")
    os.write(master, response)
