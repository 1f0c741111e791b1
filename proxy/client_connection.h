// One client's connection: its socket, bytes read ahead, and what is queued to be sent. Belongs to one core.
#pragma once

#include "proxy/core.h"
#include "proxy/output_queue.h"
#include "proxy/plain_stream.h"

#include <boost/asio/ip/address.hpp>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

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

// What the kernel says about a connection's two ends.
struct PeerFacts {
    std::string address;                             // of the client, as in X-Forwarded-For; "unix:" for Unix sockets
    std::optional<boost::asio::ip::address> ip;      // none for Unix sockets
    std::string local_authority;                     // "127.0.0.1:8080"; "localhost" for Unix sockets
};
PeerFacts peer_facts(int descriptor);

} // namespace gatehouse::proxy
