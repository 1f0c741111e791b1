// A stored body that lies in files is sent from there, slice by slice. The loop waits for no disk: a slice that the
// kernel has not in memory is read in by a thread first. Where that fails, what is left comes from the origin.
#include "proxy/exchange.h"

#include "cache/policy/partial.h"
#include "proxy/load_wait.h"

#include <algorithm>
#include <utility>

namespace gatehouse::proxy {

namespace policy = cache::policy;
using cache::Fetch;
using cache::store::Body;
using cache::store::FileBody;
using cache::store::HeldEntry;
using cache::store::Load;

namespace {

constexpr std::uint64_t kSliceBytes = 256 * 1024;

} // namespace

// What is longer may have left the kernel's memory before the client has taken its beginning.
bool Exchange::has_long_file(const HeldEntry& entry) {
    return entry->body_size() > kSliceBytes && entry->file() != nullptr;
}

// What was found at once is at hand; what came by a job, or was waited for with something else, need not be.
void Exchange::add_span(const HeldEntry& entry, std::uint64_t first, std::uint64_t bytes) {
    auto file = entry->file();
    const bool is_for_later = !rest_.empty() || has_long_file(entry); // a long one is asked about slice by slice
    if (is_for_later || (may_wait_ && file != nullptr && !file->is_at_hand(first, bytes))) {
        rest_.push_back({{}, first, bytes});
        return;
    }
    if (file) {
        sink_.content(std::move(file), first, bytes);
        return;
    }
    Body::Cursor cursor = entry.open_body();
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

awaitable<void> Exchange::serve_rest(HeldEntry entry) {
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

// Whoever sends from a segment's file keeps its space, also when the segment has got another file. For so long.
bool Exchange::is_kept_too_long(const FileBody& body, std::optional<http::SteadyTime>& given_up_since) const {
    if (!body.is_given_up()) {
        return false;
    }
    const http::SteadyTime now = worker_.core.clock().steady_now();
    given_up_since = given_up_since.value_or(now);
    return now - *given_up_since > state_.config->cache.disk.pin_timeout;
}

awaitable<bool> Exchange::send_from_file(HeldEntry entry, std::uint64_t first, std::uint64_t bytes) {
    const std::shared_ptr<const FileBody> body = entry->file();
    std::optional<http::SteadyTime> given_up_since;
    while (bytes > 0) {
        const std::uint64_t piece = std::min(bytes, kSliceBytes);
        bool is_at_hand = !file_failed_ && !is_kept_too_long(*body, given_up_since);
        if (is_at_hand && !body->is_at_hand(first, piece)) {
            is_at_hand = co_await bring_in(entry, first, piece);
        }
        if (!is_at_hand) {
            file_failed_ = true; // for what follows of it, too
            const bool sent = co_await send_rest_from_origin(entry, first, bytes);
            co_return sent;
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

// What cannot be read is given up: who asks next gets it from the origin.
awaitable<bool> Exchange::bring_in(HeldEntry entry, std::uint64_t first, std::uint64_t bytes) {
    const std::shared_ptr<Load> load = worker_.cache.store().read_in(entry->file(), first, bytes);
    const bool has_ended = load && co_await wait_for(worker_.core, load, kLongestFileRead);
    const bool is_read = has_ended && !load->has_failed();
    if (has_ended && !is_read) {
        worker_.cache.store().erase(entry);
    }
    co_return is_read;
}

// The client has the beginning. What follows has to be of the same representation, which the origin can say of one that
// has a strong validator; else the client is cut.
awaitable<bool> Exchange::send_rest_from_origin(HeldEntry entry, std::uint64_t first, std::uint64_t bytes) {
    const policy::StoredHead stored = policy::view_stored_head(entry->metadata());
    const auto rest = state_.facts.method == http::Method::Get
                          ? policy::rest_of(stored, entry->body_size(), first, bytes)
                          : std::nullopt;
    if (!rest) {
        file_is_broken();
        co_return false;
    }
    const std::shared_ptr<Fetch> fetch = worker_.cache.make_private_fetch(worker_.core.index());
    fetch->expect_initiator();
    start_rest(fetch, rest->completion);
    const bool is_connected = co_await wait_for_slice(fetch, false);
    const cache::Answer& answer = fetch->answer();
    const bool fits = is_connected && answer.kind == cache::Answer::Kind::Response && answer.body &&
                      policy::is_rest(policy::view_stored_head(answer.head), *rest);
    std::optional<Body::Cursor> cursor = fits ? fetch->take_initiator_cursor() : std::nullopt;
    if (!cursor) {
        fetch->initiator_left();
        file_is_broken();
        co_return false;
    }
    take_trace(*fetch);
    worker_.core.metrics().disk_bodies_continued.add();
    Fetch::Reader reader(
        fetch, worker_.core.index(), [](void* sink) { static_cast<ResponseSink*>(sink)->abort(); }, &sink_);
    const std::optional<std::uint64_t> wanted = bytes;
    const bool sent = co_await stream_span(fetch, reader, *cursor, 0, wanted);
    co_return sent;
}

} // namespace gatehouse::proxy
