// A response put together from slices (docs/RANGES.md): each comes out of the store, or out of a fetch that others may
// have started, one after the other. What the client asked for is cut from them.
#include "proxy/exchange.h"

#include "cache/policy/client_head.h"
#include "cache/policy/etag_rule.h"
#include "cache/policy/freshness.h"
#include "cache/policy/partial.h"
#include "cache/policy/response_assembly.h"
#include "cache/policy/slices.h"
#include "proxy/fetch_waiter.h"

#include <algorithm>
#include <utility>

namespace gatehouse::proxy {

namespace policy = cache::policy;
using cache::Answer;
using cache::Fetch;
using cache::Plan;
using cache::Resolution;
using cache::store::Body;
using policy::Assembly;
using policy::StoredHead;

namespace {

// One to freshen what is stored, one to hear that it is somebody else's answer, one for the slice itself.
constexpr int kMostQuestions = 3;

} // namespace

// One slice, as the client is about to get it.
struct Exchange::Piece {
    policy::SliceOf slice;
    cache::store::HeldEntry entry;      // it is stored,
    std::shared_ptr<Fetch> fetch;       // or arriving
    std::optional<Body::Cursor> cursor; // of the fetch
    StoredHead head;                    // of either
    policy::ContentPart part;

    void take(const policy::SliceOf& which, const cache::store::HeldEntry& stored) {
        slice = which;
        entry = stored;
        head = policy::view_stored_head(entry->metadata());
        part = *policy::part_of(head);
    }
    void take(const policy::SliceOf& which, const std::shared_ptr<Fetch>& arriving) {
        slice = which;
        fetch = arriving;
        head = policy::view_stored_head(fetch->answer().head);
        part = *policy::part_of(head);
    }
};

// True: the response is there, or told of. False: nothing was said to the client yet, and it is not for slices.
awaitable<bool> Exchange::serve_slices() {
    cache::SliceNeed need;
    need.manifest = state_.plan.manifest;
    need.current = state_.plan.manifest_current;
    need.result = state_.plan.result;
    std::optional<std::uint64_t> length;
    if (need.manifest) {
        const StoredHead head = policy::view_stored_head(need.manifest->metadata());
        need.validator = policy::strong_validator(head);
        length = policy::part_of(head)->complete_length;
    }
    need.slice.bytes = state_.behavior->policy_ref->slice_bytes;
    const auto first = policy::first_slice(state_.head, need.slice.bytes, need.current ? length : std::nullopt);
    if (!first) {
        co_return false;
    }
    need.slice.index = *first;
    Piece piece;
    const Got got = co_await get_slice(need, piece, true);
    if (got == Got::Slice) {
        co_await send_slices(std::move(need), std::move(piece));
    }
    co_return got != Got::Nothing;
}

// `may_answer`: nothing was sent yet, so that an answer that is no slice may be the client's.
awaitable<Exchange::Got> Exchange::get_slice(cache::SliceNeed& need, Piece& piece, bool may_answer) {
    for (int asked = 0; asked < kMostQuestions; ++asked) {
        state_.plan = worker_.cache.plan_slice(context(), need);
        const Plan& plan = state_.plan;
        if (plan.kind == Plan::Kind::Load) {
            co_await wait_for_load();
            state_.plan = worker_.cache.plan_slice(context(), need);
            loaded_.reset();
        }
        if (plan.kind == Plan::Kind::Serve) {
            piece.take(need.slice, plan.entry);
            co_return Got::Slice;
        }
        for_store_ = true;
        const std::shared_ptr<Fetch> fetch = plan.fetch;
        if (plan.leader) {
            fetch->expect_initiator();
            start(fetch, true, plan.validate, nullptr, nullptr);
        } else if (page_ == nullptr) {
            worker_.core.metrics().collapsed.add();
        }
        const bool connected = co_await wait_for_slice(fetch, may_answer);
        if (!connected) {
            abandon();
            co_return Got::Answered;
        }
        if (may_answer) {
            take_trace(*fetch);
        }
        const Answer& answer = fetch->answer();
        if (answer.kind == Answer::Kind::Freshened) {
            if (!answer.head.empty()) { // what was freshened may not be stored any more: it is no manifest
                if (plan.leader) {
                    fetch->initiator_left();
                }
                co_return Got::Nothing;
            }
            need.manifest = answer.entry;
            need.current = worker_.cache.is_current(context(), *answer.entry, plan.leader);
            need.solo = !need.current;
            need.result.revalidated = need.current;
            need.result.forward_status = fetch->trace().origin_status;
            continue;
        }
        if (answer.slice && (plan.leader || worker_.cache.takes_slice(context(), need, *fetch))) {
            piece.cursor = plan.leader ? fetch->take_initiator_cursor() : answer.body->open();
            if (piece.cursor) {
                piece.take(need.slice, fetch);
                co_return Got::Slice;
            }
        }
        if (!plan.leader && (answer.slice || !may_answer)) {
            need.solo = true; // it was somebody else's; this client needs one
            continue;
        }
        const Got other = co_await answer_without_slices(fetch, may_answer);
        co_return other;
    }
    co_return Got::Nothing;
}

// An error, or a response that is not what was asked for: an origin that does not know ranges sends the whole.
awaitable<Exchange::Got> Exchange::answer_without_slices(std::shared_ptr<Fetch> fetch, bool may_answer) {
    const Answer& answer = fetch->answer();
    const bool is_failed = answer.kind == Answer::Kind::Failed;
    // What a 416 says of the slice it says of one range of the client within it, and of nothing else.
    const bool is_about_slice =
        answer.status == 206 ||
        (answer.status == 416 && (!state_.facts.range || state_.head.fields.contains("If-Range")));
    const bool is_answer = may_answer && (is_failed || (state_.plan.leader && !is_about_slice));
    if (!is_answer) {
        if (state_.plan.leader) {
            fetch->initiator_left();
        }
        co_return Got::Nothing;
    }
    const Resolution resolution = worker_.cache.resolve(context(), state_.plan);
    if (resolution.kind == Resolution::Kind::Stream) {
        Found found{fetch, resolution.head, resolution.result, std::nullopt};
        if (answer.body) {
            found.cursor = fetch->take_initiator_cursor();
            if (!found.cursor) { // it took interim responses too slowly for those who read the content
                broken();
                co_return Got::Answered;
            }
        }
        co_await stream(found);
    } else {
        co_await answer_failure(resolution.error, resolution.result);
    }
    co_return Got::Answered;
}

// Interim responses go to a client that was told nothing yet.
awaitable<bool> Exchange::wait_for_slice(std::shared_ptr<Fetch> fetch, bool with_interims) {
    if (with_interims) {
        std::size_t interims_seen = 0;
        const Waited waited = co_await wait_for_answer(fetch, http::Duration::zero(), interims_seen);
        co_return waited == Waited::Answered;
    }
    FetchWaiter waiting;
    const bool sent = co_await sink_.flush(); // nothing more to send for now
    while (sent && fetch->phase() == Fetch::Phase::Pending) {
        fetch->wait(worker_.core.index(), waiting.waiter);
        if (fetch->phase() == Fetch::Phase::Pending) {
            co_await waiting.event.wait();
        }
    }
    co_return sent;
}

awaitable<void> Exchange::send_slices(cache::SliceNeed need, Piece piece) {
    const config::CachePolicy& rules = *state_.behavior->policy_ref;
    const http::WallTime now = worker_.core.turn_wall();
    const std::uint64_t complete_length = piece.part.complete_length;
    // The head of the whole: what was heard of it last, but for which part that was.
    const StoredHead newest =
        piece.fetch || !need.manifest ? piece.head : policy::view_stored_head(need.manifest->metadata());
    const auto whole =
        policy::combined_head(newest, newest.facts, newest.fields(), std::nullopt, rules.targeted_cache_control);
    const std::string text =
        policy::encode_stored_head(whole.facts, whole.lines, newest.vary_names, newest.vary_values);
    const StoredHead head = policy::under_etag_rule(policy::view_stored_head(text), state_.behavior->etag);
    Assembly assembly = policy::assemble(state_.head, head, complete_length, now, worker_.random(), rules.immutable);
    assembly.withheld = policy::withheld_fields(rules);
    std::optional<policy::ClientHead> client;
    shape_head(assembly, client, head, true);
    std::vector<http::ByteSpan> spans = assembly.spans;
    if (assembly.kind == Assembly::Kind::Whole) {
        spans = {http::ByteSpan{0, complete_length - 1}};
    }
    policy::CacheResult result = state_.plan.result;
    const auto ttl = policy::freshness(head.facts, rules, now).ttl();
    result.ttl_seconds = std::chrono::floor<std::chrono::seconds>(ttl).count();
    std::optional<std::int64_t> age;
    if (piece.fetch) {
        result.stored = true;
        result.forward_status = piece.fetch->trace().origin_status;
    }
    if (!piece.fetch || result.collapsed || head.facts.age_seconds > 0) { // else it is first-hand
        age = std::chrono::floor<std::chrono::seconds>(policy::current_age(head.facts, now)).count();
    }
    result = shown_result(result, assembly.status);
    const bool content = !state_.is_head() && !http::status_has_no_content(assembly.status);
    const std::uint64_t length = policy::content_length(assembly, head, complete_length);
    ResponseSink::Head out{assembly,   head, result, complete_length, length, content, age, state_.ignored_wishes,
                           shown_key()};
    sink_.head(out);
    state_.record.status = assembly.status;
    state_.record.cache = result;
    need.validator = policy::strong_validator(piece.head);
    need.current = true;
    bool ok = true;
    for (std::size_t i = 0; ok && content && i < spans.size(); ++i) {
        if (assembly.kind == Assembly::Kind::MultiPart) {
            sink_.content(policy::multipart_part_head(assembly, i, head, complete_length));
        }
        ok = co_await send_span(need, piece, spans[i]);
    }
    if (!ok) {
        broken();
        co_return;
    }
    if (assembly.kind == Assembly::Kind::MultiPart && content) {
        sink_.content(policy::multipart_end(assembly));
    }
    sink_.end(nullptr);
    const bool sent = co_await sink_.flush();
    if (!sent) {
        client_left();
    }
}

// `piece`: the slice that was read last.
awaitable<bool> Exchange::send_span(cache::SliceNeed& need, Piece& piece, http::ByteSpan span) {
    const std::uint64_t complete_length = piece.part.complete_length;
    for (std::uint64_t next = span.first; next <= span.last;) {
        need.slice.index = next / need.slice.bytes;
        if (need.slice != piece.slice) {
            piece = Piece();
            const Got got = co_await get_slice(need, piece, false);
            if (got != Got::Slice) {
                co_return false;
            }
            // No byte of another representation follows those that were sent. RFC 9111 section 3.4
            if (piece.part.complete_length != complete_length ||
                policy::strong_validator(piece.head) != need.validator) {
                worker_.cache.forget_slices(state_.key, state_.hash, need.validator);
                if (piece.entry) { // under the same validator as others, and of another length: not found again
                    worker_.cache.store().erase(piece.entry);
                }
                co_return false;
            }
        }
        const std::uint64_t last = std::min(span.last, piece.part.span.last);
        const bool sent = co_await send_piece(piece, next - piece.part.span.first, last - next + 1);
        if (!sent) {
            co_return false;
        }
        next = last + 1;
    }
    co_return true;
}

awaitable<bool> Exchange::send_piece(Piece& piece, std::uint64_t first, std::uint64_t bytes) {
    if (piece.entry && piece.entry->file()) {
        const bool sent = co_await send_from_file(piece.entry, first, bytes);
        co_return sent;
    }
    if (piece.entry) {
        Body::Cursor cursor = piece.entry.open_body();
        cursor.seek(first);
        sink_.content(std::move(cursor), bytes, nullptr);
        state_.record.response_body_bytes += bytes;
        const bool sent = co_await sink_.flush();
        co_return sent;
    }
    if (piece.cursor->position() > first) { // backwards: another range of the same slice
        piece.cursor = piece.fetch->answer().body->open();
    }
    if (!piece.cursor) {
        co_return false;
    }
    Fetch::Reader reader(
        piece.fetch, worker_.core.index(), [](void* sink) { static_cast<ResponseSink*>(sink)->abort(); }, &sink_);
    const std::optional<std::uint64_t> wanted = bytes;
    const bool sent = co_await stream_span(piece.fetch, reader, *piece.cursor, first, wanted);
    co_return sent;
}

} // namespace gatehouse::proxy
