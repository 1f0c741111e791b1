// One coroutine that outlives whoever started it.
#include "proxy/acquisition.h"

#include "proxy/spawn.h"

#include <utility>

namespace gatehouse::proxy {

std::shared_ptr<Acquisition> Acquisition::start(Core& core, UpstreamPool& pool,
                                                std::shared_ptr<const config::Config> config,
                                                const config::Origin& origin, bool fresh) {
    auto acquisition = std::make_shared<Acquisition>();
    acquisition->config_ = std::move(config);
    spawn_logged(core.coroutines(), "origin connection", run(acquisition, pool.acquire(origin, fresh)));
    return acquisition;
}

awaitable<void> Acquisition::run(std::shared_ptr<Acquisition> self, awaitable<http::Result<Lease>> acquiring) {
    auto leased = co_await std::move(acquiring);
    if (!self->abandoned_) {
        self->result_.emplace(std::move(leased));
        self->changed_.signal();
    } else if (leased) {
        leased->give_back();
    }
}

void Acquisition::abandon() {
    abandoned_ = true;
    if (result_ && *result_) {
        (*result_)->give_back();
    }
}

} // namespace gatehouse::proxy
