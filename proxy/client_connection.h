// One client's connection: its socket, bytes read ahead, and what is queued to be sent. Belongs to one core.
#pragma once

#include "proxy/core.h"
#include "proxy/output_queue.h"
#include "proxy/plain_stream.h"
#include "proxy/socket_address.h"

#include <memory>
#include <string>

namespace gatehouse::proxy {

struct ClientConnection {
    ClientConnection(Core& on_core, std::unique_ptr<PlainStream> socket) : core(on_core), stream(std::move(socket)) {}

    Core& core;
    std::unique_ptr<PlainStream> stream;
    std::string input;   // read, not yet used
    OutputQueue output;
    std::string address; // "192.0.2.1", "2001:db8::1", "unix:"
    bool trusted = false; // the peer is in trusted_proxies
};

} // namespace gatehouse::proxy
