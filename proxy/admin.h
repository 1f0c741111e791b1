// The admin listener: health, readiness, metrics, version, purge. For operators and their tools, never for the public.
//
// A web page that somebody opens on this machine can make requests to localhost, directly or by DNS rebinding. So
// whatever carries an Origin field, a cross-site mark, or a Host that is not known to be ours is refused.
//
// It runs on one core. Everything it needs to know comes through callbacks, which run on that core and must be quick.
#pragma once

#include "config/config.h"
#include "http/result.h"
#include "proxy/core.h"
#include "proxy/explain.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace gatehouse::proxy {

// What an operator wants gone, from {"url": ...} or {"path": ...}.
struct PurgeRequest {
    std::optional<std::string> authority; // as in a cache key: lower case, no default port; absent: every host
    std::optional<std::string> group;     // of Cache-Groups (RFC 9875), instead of a path
    std::string path;                     // exact, or the beginning of it with `prefix`
    std::string query;                    // without '?'; with `prefix` always empty
    bool has_query = false;
    bool prefix = false;
};

struct PurgeOutcome {
    std::uint64_t sequence = 0; // number of the purge: nothing requested before it is served or stored
    std::size_t removed = 0;    // responses
};

struct ReloadOutcome {
    bool applied = false;
    std::uint64_t generation = 0;           // of the configuration in use now
    std::vector<std::string> problems;      // not applied: as `gatehouse check` prints them
    std::vector<std::string> needs_restart; // applied, but for these fields
};

// Ready when every check is.
struct ReadinessCheck {
    std::string name;
    bool ok = false;
    std::string detail; // a sentence; may be empty
};
using Readiness = std::vector<ReadinessCheck>;

struct AdminOptions {
    config::Address address;
    std::vector<std::string> allowed_hosts;
};

struct AdminHandlers {
    std::function<Readiness()> readiness;
    std::function<std::string()> metrics_text;
    std::function<PurgeOutcome(PurgeRequest)> purge;
    std::function<ReloadOutcome()> reload;
    std::function<http::Result<Explanation>(const config::TestRequest&)> explain = {};
};

class AdminServer {
public:
    static constexpr std::uint32_t kMaxHeadBytes = 16 * 1024;
    static constexpr std::uint64_t kMaxBodyBytes = 64 * 1024;
    static constexpr std::size_t kMaxConnections = 64;        // more are closed at once
    static constexpr http::Duration kRequestTimeout{10'000};  // first byte of a request to its end
    static constexpr http::Duration kResponseTimeout{30'000}; // to send a response
    static constexpr http::Duration kIdleTimeout{120'000};    // between requests: longer than scrapers wait
    static constexpr http::Duration kLingerTimeout{2'000};    // a client that still sends after it was refused

    AdminServer(Core& core, AdminOptions options, AdminHandlers handlers);
    ~AdminServer(); // as stop()
    AdminServer(const AdminServer&) = delete;
    AdminServer& operator=(const AdminServer&) = delete;

    // Binds and listens. The error says what to do. Before the core's loop runs, or on its thread.
    http::Status start();
    // Closes the listener and all connections; no callback runs afterwards. On the core's thread, or once its loop has
    // ended. Idempotent.
    void stop() noexcept;
    // The port that is listened on: with port 0, what the system chose. 0 for a Unix socket and before start().
    std::uint16_t port() const noexcept;

private:
    struct State;
    std::shared_ptr<State> state_;
};

} // namespace gatehouse::proxy
