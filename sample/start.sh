#!/usr/bin/env bash
# Starts the sample stack on loopback: API Gateway and static files on PORT, DynamoDB on ARC_TABLES_PORT.
# It becomes the node process itself, so a signal to this script's process ends the stack.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

# The node in our own packages comes first in PATH: every Lambda call starts `node` from there, and the one
# of Debian 12 is too old for the sandbox.
for bin in node_modules/node-linux-*/bin; do
    [ -x "$bin/node" ] && PATH="$PWD/$bin:$PATH"
done
export PATH

# Without credentials the sandbox looks for them at the metadata addresses of EC2 and ECS, and without the
# second line it asks for news about itself. Neither has a place on a developer's machine.
export AWS_ACCESS_KEY_ID=sample AWS_SECRET_ACCESS_KEY=sample
export NO_UPDATE_NOTIFIER=1

export ARC_TABLES_PORT=${ARC_TABLES_PORT:-23335}
export ARC_INTERNAL_PORT=${ARC_INTERNAL_PORT:-23332}
exec node --require ./localhost.cjs node_modules/@architect/sandbox/src/cli/cli.js \
    --port "${PORT:-23331}" --host 127.0.0.1 --disable-symlinks "$@"
