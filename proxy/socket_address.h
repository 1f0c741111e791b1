// The two ends of a connection as text, for logs and forwarding fields.
#pragma once

#include <boost/asio/ip/address.hpp>

#include <optional>
#include <string>

namespace gatehouse::proxy {

// What the kernel says about a connection's two ends.
struct PeerFacts {
    std::string address;                             // of the client, as in X-Forwarded-For; "unix:" for Unix sockets
    std::optional<boost::asio::ip::address> ip;      // none for Unix sockets
    std::string local_authority;                     // "127.0.0.1:8080"; "localhost" for Unix sockets
};
PeerFacts peer_facts(int descriptor);
// "192.0.2.1:443", "[2001:db8::1]:443", "unix:"; for logs.
std::string peer_name(int descriptor);

} // namespace gatehouse::proxy
