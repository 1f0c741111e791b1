#include "proxy/load_wait.h"

#include "proxy/event.h"

namespace gatehouse::proxy {

namespace {

struct Waiting {
    static void wake(void* self) { static_cast<Waiting*>(self)->event.signal(); }
    Event event;
    bool is_done = false;
};

} // namespace

awaitable<bool> wait_for(Core& core, std::shared_ptr<cache::store::Load> load, http::Duration longest) {
    const auto waiting = std::make_shared<Waiting>(); // the disk may answer later than anybody waits
    const bool is_coming = load->when_done([&core, weak = std::weak_ptr<Waiting>(waiting)] {
        core.post([weak] {
            if (const auto still = weak.lock()) {
                still->is_done = true;
                still->event.signal();
            }
        });
    });
    if (!is_coming) {
        co_return true;
    }
    Deadline deadline(core.wheel(), &Waiting::wake, waiting.get());
    deadline.arm(longest);
    co_await waiting->event.wait();
    co_return waiting->is_done;
}

} // namespace gatehouse::proxy
