// Opens one connection to an origin: its addresses in turn, TCP and then TLS, within one deadline.
#pragma once

#include "config/config.h"
#include "http/result.h"
#include "proxy/core.h"
#include "proxy/stream.h"
#include "proxy/tls_context.h"

#include <boost/asio/ip/address.hpp>

#include <cstddef>
#include <memory>
#include <vector>

namespace gatehouse::proxy {

// The order in which addresses are tried: IPv6 and IPv4 take turns, as RFC 8305 section 4 has it, so that a family
// that leads nowhere costs one attempt and not all; within each family beginning at `start`, so that cores and
// connections spread over the addresses.
std::vector<asio::ip::address> connect_order(const std::vector<asio::ip::address>& addresses, std::size_t start);

struct ConnectPlan {
    // Of the origin: valid until the connection is open or has failed.
    const config::Origin* origin = nullptr;
    std::vector<asio::ip::address> addresses; // in the order to be tried; not empty
    http::Duration timeout{0};                // for all attempts together; zero: none
    std::shared_ptr<const TlsContext> tls;    // null for an http origin
    std::shared_ptr<TlsSessionSlot> session;
};

struct Connected {
    std::unique_ptr<Stream> stream;
    asio::ip::address address;
};

// Each attempt gets an equal share of the time that is left. The error is that of the attempt that came furthest
// (certificate, TLS, timeout, refused), and its detail names the address. OriginUnavailable: this machine has no
// descriptor or port left.
awaitable<http::Result<Connected>> connect_to_origin(Core& core, ConnectPlan plan);

} // namespace gatehouse::proxy
