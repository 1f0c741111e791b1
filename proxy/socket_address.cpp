// Socket addresses to the text that logs and forwarding fields use.
#include "proxy/socket_address.h"

#include <cstring>

#include <netinet/in.h>
#include <sys/socket.h>

namespace gatehouse::proxy {

namespace ip = boost::asio::ip;

namespace {

struct Ends {
    std::optional<ip::address> ip;
    std::uint16_t port = 0;
};

Ends read_address(const sockaddr_storage& storage) {
    Ends ends;
    if (storage.ss_family == AF_INET) {
        sockaddr_in v4{};
        std::memcpy(&v4, &storage, sizeof v4);
        ends.ip = ip::address_v4(ntohl(v4.sin_addr.s_addr));
        ends.port = ntohs(v4.sin_port);
    } else if (storage.ss_family == AF_INET6) {
        sockaddr_in6 v6{};
        std::memcpy(&v6, &storage, sizeof v6);
        ip::address_v6::bytes_type bytes;
        std::memcpy(bytes.data(), v6.sin6_addr.s6_addr, bytes.size());
        const ip::address_v6 address(bytes);
        ends.port = ntohs(v6.sin6_port);
        if (address.is_v4_mapped()) {
            ends.ip = ip::make_address_v4(ip::v4_mapped, address);
        } else {
            ends.ip = address;
        }
    }
    return ends;
}

} // namespace

std::string peer_name(int descriptor) {
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    auto* generic = reinterpret_cast<sockaddr*>(&storage); // NOLINT: the socket API's own cast
    Ends ends;
    if (::getpeername(descriptor, generic, &size) == 0) {
        ends = read_address(storage);
    }
    if (!ends.ip) {
        return "unix:";
    }
    const std::string host = ends.ip->is_v6() ? "[" + ends.ip->to_string() + "]" : ends.ip->to_string();
    return host + ":" + std::to_string(ends.port);
}

PeerFacts peer_facts(int descriptor) {
    PeerFacts facts;
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    auto* generic = reinterpret_cast<sockaddr*>(&storage); // NOLINT: the socket API's own cast
    if (::getpeername(descriptor, generic, &size) == 0) {
        facts.ip = read_address(storage).ip;
    }
    facts.address = facts.ip ? facts.ip->to_string() : "unix:";
    storage = {};
    size = sizeof storage;
    Ends local;
    if (::getsockname(descriptor, generic, &size) == 0) {
        local = read_address(storage);
    }
    if (!local.ip) {
        facts.local_authority = "localhost";
        return facts;
    }
    const std::string host = local.ip->is_v6() ? "[" + local.ip->to_string() + "]" : local.ip->to_string();
    facts.local_authority = local.port == 80 ? host : host + ":" + std::to_string(local.port);
    return facts;
}

} // namespace gatehouse::proxy
