// What the tests of the coordinator share: cores that are queues of jobs, a memory store, waiters and readers that
// remember what happened to them.
#pragma once

#include "cache/core_poster.h"
#include "cache/fetch.h"
#include "cache/store/memory_store.h"
#include "tests/unit/cache/policy/support.h"

#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gatehouse::cache::testing {

// Cores without threads: a job waits until the test runs it.
class QueuePoster final : public CorePoster {
public:
    explicit QueuePoster(unsigned cores = 2) : queues_(cores) {}
    void post(unsigned core, std::function<void()> job) override {
        queues_[core].push_back(std::move(job));
        ++posted;
    }
    unsigned cores() const noexcept override { return static_cast<unsigned>(queues_.size()); }

    // Runs what is queued for this core, and what that queues for it in turn. Returns how many jobs ran.
    std::size_t run(unsigned core) {
        std::size_t ran = 0;
        while (!queues_[core].empty()) {
            const auto job = std::move(queues_[core].front());
            queues_[core].pop_front();
            job();
            ++ran;
        }
        return ran;
    }
    std::size_t run_all() {
        std::size_t ran = 0;
        for (bool any = true; any;) {
            any = false;
            for (unsigned core = 0; core < cores(); ++core) {
                const std::size_t here = run(core);
                ran += here;
                any = any || here > 0;
            }
        }
        return ran;
    }
    std::size_t queued(unsigned core) const { return queues_[core].size(); }

    std::size_t posted = 0;

private:
    std::vector<std::deque<std::function<void()>>> queues_;
};

// Counts how often it was woken.
struct CountingWaiter {
    CountingWaiter() : waiter([](void* self) { ++static_cast<CountingWaiter*>(self)->woken; }, this) {}
    int woken = 0;
    Waiter waiter;
};

// Counts how often it was cut off.
struct CountingReader {
    CountingReader(std::shared_ptr<Fetch> fetch, unsigned core)
        : reader(
              std::move(fetch), core, [](void* self) { ++static_cast<CountingReader*>(self)->cut; }, this) {}
    int cut = 0;
    Fetch::Reader reader;
};

inline std::unique_ptr<store::Store> small_store(std::uint64_t size_bytes = 4 * 1024 * 1024,
                                                 std::uint64_t max_object_bytes = 256 * 1024) {
    store::MemoryStoreOptions options;
    options.size_bytes = size_bytes;
    options.max_object_bytes = max_object_bytes;
    options.relay_bytes = 1024 * 1024;
    options.shards = 2;
    return store::make_memory_store(options);
}

// Writes all of the text, as far as there is room. Returns how much went in.
inline std::size_t fill(store::Body& body, std::string_view text) {
    std::size_t written = 0;
    while (written < text.size()) {
        const auto room = body.prepare();
        if (room.state != store::Body::RoomState::Room) {
            break;
        }
        const std::size_t part = std::min(room.room.size(), text.size() - written);
        std::memcpy(room.room.data(), text.data() + written, part);
        body.publish(part);
        written += part;
    }
    return written;
}

// Reads everything that can be read now.
inline std::string drain(store::Body::Cursor& cursor) {
    std::string text;
    while (cursor.readable() > 0) {
        iovec piece{};
        if (cursor.peek({&piece, 1}, cursor.readable()) == 0) {
            break;
        }
        text.append(static_cast<const char*>(piece.iov_base), piece.iov_len);
        cursor.advance(piece.iov_len);
    }
    return text;
}

} // namespace gatehouse::cache::testing
