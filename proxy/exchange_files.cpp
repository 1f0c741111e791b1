// A stored body that lies in files is sent from there, slice by slice. The loop waits for no disk: a slice that the
// kernel has not in memory is read in by a thread first.
#include "proxy/exchange.h"
#include "proxy/load_wait.h"

#include <algorithm>
#include <utility>

namespace gatehouse::proxy {

using cache::store::Body;
using cache::store::EntryRef;

namespace {

constexpr std::uint64_t kSliceBytes = 256 * 1024;
constexpr http::Duration kLongestRead{10'000}; // of one slice, when the client has the beginning already

} // namespace

// What is longer may have left the kernel's memory before the client has taken its beginning.
bool Exchange::has_long_file(const EntryRef& entry) {
    return entry->body_size() > kSliceBytes && entry->file() != nullptr;
}

void Exchange::add_span(const EntryRef& entry, std::uint64_t first, std::uint64_t bytes) {
    if (has_long_file(entry)) {
        rest_.push_back({{}, first, bytes});
        return;
    }
    if (auto file = entry->file()) {
        sink_.content(std::move(file), first, bytes);
        return;
    }
    Body::Cursor cursor(entry->body(), entry->body_size());
    cursor.seek(first);
    sink_.content(std::move(cursor), bytes, nullptr);
}

void Exchange::add_text(std::string text) {
    if (rest_.empty()) {
        sink_.content(text);
    } else {
        rest_.push_back({std::move(text)});
    }
}

awaitable<void> Exchange::serve_rest(EntryRef entry) {
    if (rest_.empty()) {
        co_return;
    }
    const std::vector<Rest> rest = std::exchange(rest_, {});
    std::uint64_t& sent_bytes = state_.record.response_body_bytes;
    for (const Rest& one : rest) {
        sent_bytes -= one.text.size() + one.bytes; // none of it is queued yet
    }
    for (const Rest& one : rest) {
        sink_.content(one.text);
        sent_bytes += one.text.size();
        const bool sent = co_await send_from_file(entry, one.first, one.bytes);
        if (!sent) {
            broken();
            co_return;
        }
    }
    sink_.end(nullptr);
}

// What cannot be read is given up: who asks next gets it from the origin.
awaitable<bool> Exchange::send_from_file(EntryRef entry, std::uint64_t first, std::uint64_t bytes) {
    const std::shared_ptr<const cache::store::FileBody> body = entry->file();
    while (bytes > 0) {
        const std::uint64_t piece = std::min(bytes, kSliceBytes);
        if (!body->is_at_hand(first, piece)) {
            const std::shared_ptr<cache::store::Load> load = worker_.cache.store().read_in(body, first, piece);
            const bool is_read = load && co_await wait_for(worker_.core, load, kLongestRead);
            if (is_read && load->has_failed()) {
                worker_.cache.store().erase(entry);
            }
            if (!is_read || load->has_failed()) {
                file_is_broken();
                co_return false;
            }
        }
        sink_.content(body, first, piece);
        state_.record.response_body_bytes += piece;
        first += piece;
        bytes -= piece;
        const bool sent = co_await sink_.flush();
        if (!sent) {
            co_return false;
        }
    }
    co_return true;
}

} // namespace gatehouse::proxy
