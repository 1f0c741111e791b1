// A connection that switched protocols (WebSocket): bytes both ways, until both sides ended or nothing moves.
#pragma once

#include "proxy/client_connection.h"
#include "proxy/stream.h"

namespace gatehouse::proxy {

// Relays until both directions have ended, one failed, or neither moved for `idle`. Closes both sides. What the client
// has sent ahead (connection.input) goes first.
awaitable<void> relay_tunnel(ClientConnection& client, Stream& origin, http::Duration idle, http::Duration send);

} // namespace gatehouse::proxy
