// Connections to origins, one pool per core: opened with deadlines, kept alive, checked before reuse.
#pragma once

#include "config/config.h"
#include "http/result.h"
#include "proxy/awaitable.h"
#include "proxy/core.h"
#include "proxy/resolver.h"
#include "proxy/stream.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace gatehouse::proxy {

// Origin connections of all cores together, for Origin::max_connections. Shared; counts are atomic.
class ConnectionTotals;

// An open connection to an origin: of a lease, or idle in its pool.
struct OriginConnection;

// A connection on loan. Dropped without give_back(): closed. Move-only; stays on its core.
class Lease {
public:
    Lease() = default;
    Lease(Lease&& other) noexcept : connection_(std::move(other.connection_)), reused_(other.reused_) {}
    Lease& operator=(Lease&& other) noexcept {
        Lease taken(std::move(other));
        std::swap(connection_, taken.connection_);
        std::swap(reused_, taken.reused_);
        return *this;
    }
    ~Lease();

    Stream& stream() const noexcept;
    // It carried an exchange before: a failure before any byte may be retried.
    bool reused() const noexcept { return connection_ && reused_; }
    explicit operator bool() const noexcept { return connection_ != nullptr; }
    // Returns it to its pool; only after a complete exchange whose framing allows it. Anything else: drop the lease.
    void give_back();

private:
    friend class UpstreamPool;
    Lease(std::shared_ptr<OriginConnection> connection, bool reused) noexcept
        : connection_(std::move(connection)), reused_(reused) {}
    std::shared_ptr<OriginConnection> connection_;
    bool reused_ = false;
};

class UpstreamPool {
public:
    UpstreamPool(Core& core, Resolver& resolver, std::shared_ptr<ConnectionTotals> totals);
    ~UpstreamPool();
    UpstreamPool(const UpstreamPool&) = delete;
    UpstreamPool& operator=(const UpstreamPool&) = delete;

    static std::shared_ptr<ConnectionTotals> make_totals();

    // A connection to the origin: an idle one that is still quiet and whose address is still the name's, else a new
    // one (addresses tried in turn, each core starting at another, until origin.timeouts.connect is over).
    // fresh: never an idle one. Errors: DnsError, DnsTimeout, ConnectionRefused, ConnectionTimeout,
    // TlsCertificateError, TlsProtocolError, OriginUnavailable (max_connections reached). `origin` must stay valid
    // until it has ended; the pool need not.
    awaitable<http::Result<Lease>> acquire(const config::Origin& origin, bool fresh);
    // The same where an idle connection is there and nothing has to be waited for. `may_retry`: the request can be sent
    // again if the origin has closed meanwhile, so the connection is as quiet as the poller says where that was asked
    // since it became idle; otherwise the system is asked.
    std::optional<Lease> take_idle(const config::Origin& origin, bool may_retry);
    // Closes idle connections (shutdown).
    void close_idle();
    // Ends what is being opened, too, and lends nothing any more.
    void stop();
    std::size_t idle() const noexcept;

private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

} // namespace gatehouse::proxy
