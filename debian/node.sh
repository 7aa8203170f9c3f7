#!/bin/sh
# Node.js of the package tpe-node where it is installed, else Debian's: releases before 13 have one that is too old.
if [ -x /usr/lib/tpe-node/bin/node ]; then
  exec /usr/lib/tpe-node/bin/node "$@"
fi
exec /usr/bin/node "$@"
