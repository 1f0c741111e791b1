// Opens one connection to an origin: its addresses in turn, TCP and then TLS, within one deadline.
#pragma once

#include "config/config.h"
#include "http/result.h"
#include "proxy/core.h"
#include "proxy/stream.h"
#include "proxy/stream_socket.h"
#include "proxy/tls_context.h"

#include <boost/asio/ip/address.hpp>

#include <cstddef>
#include <memory>
#include <unordered_set>
#include <vector>

namespace gatehouse::proxy {

// The order in which addresses are tried: IPv6 and IPv4 take turns, as RFC 8305 section 4 has it, so that a family
// that leads nowhere costs one attempt and not all; within each family beginning at `start`, so that cores and
// connections spread over the addresses.
std::vector<asio::ip::address> connect_order(const std::vector<asio::ip::address>& addresses, std::size_t start);

// The sockets of one core that are on their way to an origin, so that a stop can end them. Same thread only.
class OpeningSockets {
public:
    // One of them, for as long as it is being opened.
    class Member {
    public:
        Member(OpeningSockets& all, StreamSocket& socket) : all_(all), socket_(socket) { all_.sockets_.insert(&socket_); }
        ~Member() { all_.sockets_.erase(&socket_); }
        Member(const Member&) = delete;
        Member& operator=(const Member&) = delete;

    private:
        OpeningSockets& all_;
        StreamSocket& socket_;
    };
    // Closes them; no other is opened afterwards.
    void stop() noexcept;
    bool stopped() const noexcept { return stopped_; }

private:
    std::unordered_set<StreamSocket*> sockets_;
    bool stopped_ = false;
};

struct ConnectPlan {
    // Of the origin: valid until the connection is open or has failed.
    const config::Origin* origin = nullptr;
    std::vector<asio::ip::address> addresses; // in the order to be tried; not empty
    http::Duration timeout{0};                // for all attempts together; zero: none
    std::shared_ptr<const TlsContext> tls;    // null for an http origin
    std::shared_ptr<TlsSessionSlot> session;
    OpeningSockets* opening = nullptr; // valid as `origin` is; null: nobody stops it
};

struct Connected {
    std::unique_ptr<Stream> stream;
    asio::ip::address address;
};

// Each attempt gets an equal share of the time that is left. The error is that of the attempt that came furthest
// (certificate, TLS, timeout, refused), and its detail names the address. OriginUnavailable: this machine has no
// descriptor or port left, or `opening` was stopped.
awaitable<http::Result<Connected>> connect_to_origin(Core& core, ConnectPlan plan);

} // namespace gatehouse::proxy
