// A connection to an origin on its way. Whoever waits for it may leave: it is then kept for the next request.
#pragma once

#include "config/config.h"
#include "http/result.h"
#include "proxy/event.h"
#include "proxy/upstream_pool.h"

#include <memory>
#include <optional>

namespace gatehouse::proxy {

class Acquisition {
public:
    // Begins to acquire. `origin` belongs to `config`, which is held meanwhile. fresh: as UpstreamPool::acquire().
    static std::shared_ptr<Acquisition> start(Core& core, UpstreamPool& pool,
                                              std::shared_ptr<const config::Config> config,
                                              const config::Origin& origin, bool fresh);

    // Ends a wait at once; whoever waits looks again whether it still wants to.
    void interrupt() { changed_.signal(); }
    // Waits until the result is there, or for interrupt().
    awaitable<void> wait() { co_await changed_.wait(); }
    bool done() const noexcept { return result_.has_value(); }
    // Requires: done(). Once.
    http::Result<Lease> take() { return *std::move(result_); }
    // Nobody waits any more.
    void abandon();

private:
    static awaitable<void> run(std::shared_ptr<Acquisition> self, awaitable<http::Result<Lease>> acquiring);

    Event changed_;
    std::optional<http::Result<Lease>> result_;
    std::shared_ptr<const config::Config> config_;
    bool abandoned_ = false;
};

} // namespace gatehouse::proxy
