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

namespace gatehouse::proxy {

// Origin connections of all cores together, for Origin::max_connections. Shared; counts are atomic.
class ConnectionTotals;

// A connection on loan. Dropped without give_back(): closed. Move-only.
class Lease {
public:
    Lease();
    Lease(Lease&&) noexcept;
    Lease& operator=(Lease&&) noexcept;
    ~Lease();

    Stream& stream() const noexcept;
    bool reused() const noexcept; // it carried an exchange before: a failure before any byte may be retried
    explicit operator bool() const noexcept;
    // Returns it to its pool; only after a complete exchange whose framing allows it. Anything else: drop the lease.
    void give_back();

private:
    friend class UpstreamPool;
    struct Impl;
    std::unique_ptr<Impl> impl_;
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
    // The same where an idle connection is there and nothing has to be waited for.
    std::optional<Lease> take_idle(const config::Origin& origin);
    // Closes idle connections (shutdown).
    void close_idle();
    // Ends what is being opened, too, and lends nothing any more.
    void stop();
    std::size_t idle() const noexcept;

private:
    friend class Lease;
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

} // namespace gatehouse::proxy
