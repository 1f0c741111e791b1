// What waits on a fetch: woken on its own core.
#pragma once

#include "cache/wait_lists.h"
#include "proxy/event.h"

namespace gatehouse::proxy {

struct FetchWaiter {
    FetchWaiter() : waiter(&FetchWaiter::wake, this) {}
    static void wake(void* context) { static_cast<FetchWaiter*>(context)->event.signal(); }
    Event event;
    cache::Waiter waiter;
};

} // namespace gatehouse::proxy
