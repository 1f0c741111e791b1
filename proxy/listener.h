// Listening sockets: one acceptor each, on one core; accepted connections go to the core with the fewest.
#pragma once

#include "config/config.h"
#include "http/result.h"
#include "proxy/core.h"

#include <cstdint>
#include <functional>
#include <string>

namespace gatehouse::proxy {

class Listener final : private Poller::Watched {
public:
    // Gets every accepted descriptor; owns it from then on. On the listener's core.
    using Accepted = std::function<void(int descriptor)>;
    // `unsent_bytes`: limits.unsent_size, for every connection.
    Listener(Core& core, const config::Address& address, std::uint32_t unsent_bytes, Accepted accepted);
    ~Listener();
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;

    // Binds and listens. The error's detail says what to do (address in use, no permission, stale Unix socket).
    http::Status open();
    // Accepts until stop(). Once, after open(); on the core or before it runs.
    http::Status start();
    void stop() noexcept;                                 // on the core; idempotent
    // Takes what waits to be accepted, then stops: who has connected is served. On the core.
    void drain_and_stop() noexcept;
    const config::Address& address() const noexcept { return address_; }
    std::uint16_t port() const noexcept { return port_; } // the real one, when 0 was asked for

private:
    http::Error failed(const char* what) const;
    void accept_some() noexcept;
    void close() noexcept;
    void on_ready(std::uint32_t events) noexcept override;
    void on_turn() noexcept override { accept_some(); }
    void on_core_end() noexcept override { stop(); }
    static void on_pause_over(void* self);

    Core& core_;
    config::Address address_;
    std::uint32_t unsent_bytes_;
    Accepted accepted_;
    int descriptor_ = -1;
    bool started_ = false; // the poller knows it
    bool paused_ = false;  // out of descriptors
    Deadline pause_deadline_;
    std::uint16_t port_ = 0;
};

} // namespace gatehouse::proxy
