// Listening sockets: one acceptor each, on one core; accepted connections go to the core with the fewest.
#pragma once

#include "config/config.h"
#include "http/result.h"
#include "proxy/core.h"
#include "proxy/event.h"

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace gatehouse::proxy {

class Listener {
public:
    // Gets every accepted descriptor; owns it from then on. On the listener's core.
    using Accepted = std::function<void(int descriptor)>;
    Listener(Core& core, const config::Address& address, Accepted accepted);
    ~Listener();
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;

    // Binds and listens. The error's detail says what to do (address in use, no permission, stale Unix socket).
    http::Status open();
    // Accepts until stop(). Start once, on the core.
    awaitable<void> run();
    void stop() noexcept; // on the core
    std::uint16_t port() const noexcept { return port_; } // the real one, when 0 was asked for

private:
    awaitable<void> pause();

    Core& core_;
    config::Address address_;
    Accepted accepted_;
    std::unique_ptr<asio::posix::stream_descriptor> descriptor_;
    Event paused_;
    Deadline pause_deadline_;
    std::uint16_t port_ = 0;
    bool stopped_ = false;
};

} // namespace gatehouse::proxy
