// The story of one request (docs/LIFE_OF_A_REQUEST.md tells it with the file names).
#include "proxy/exchange.h"

#include "cache/policy/cache_key.h"
#include "cache/policy/client_head.h"
#include "cache/policy/etag_rule.h"
#include "cache/policy/freshness.h"
#include "cache/policy/normalisation.h"
#include "cache/policy/partial.h"
#include "cache/policy/range_fill.h"
#include "cache/policy/response_assembly.h"
#include "http/forwarding.h"
#include "http/reassign.h"
#include "proxy/error_page.h"
#include "proxy/error_response.h"
#include "proxy/router.h"
#include "proxy/viewer_rules.h"

#include <algorithm>
#include <memory>
#include <utility>

namespace gatehouse::proxy {

namespace policy = cache::policy;
using cache::Answer;
using cache::Fetch;
using cache::Plan;
using cache::Resolution;
using cache::store::Body;
using http::Error;
using http::ErrorKind;
using policy::Assembly;
using policy::Reason;
using policy::StoredHead;

namespace {

// At most this much of a body is queued before it is handed to the kernel.
constexpr std::uint64_t kPieceBytes = 256 * 1024;
constexpr std::uint64_t kRelayPieceBytes = 64 * 1024;
// OPTIMIZATION: a small piece that passes through is copied behind its head, and both leave as one: to have the kernel
// gather them costs more than the copy, and its block is free at once.
constexpr std::uint64_t kCopiedPieceBytes = 2 * 1024;
// A waiter may find that the answer is for another variant, join that one, and so on; then it goes alone.
constexpr int kMaxJoins = 4;

// RFC 9110 section 7.6.2: OPTIONS with Max-Forwards 0 is answered by whoever received it.
bool is_last_hop_of_options(const http::RequestHead& request) {
    return request.method_kind() == http::Method::Options && http::max_forwards(request.fields) == 0;
}

std::int64_t age_seconds(const StoredHead& head, http::WallTime now) {
    return std::chrono::floor<std::chrono::seconds>(policy::current_age(head.facts, now)).count();
}

} // namespace

void RequestState::clear() {
    framing = http::Framing();
    config.reset();
    content.reset();
    behavior = nullptr;
    ignored_wishes = false;
    std::destroy_at(&plan);
    std::construct_at(&plan);
    as_sent.clear();
    page.reset();
    record.clear();
}

bool Exchange::begin() {
    state_.config = worker_.config;
    const http::WallTime now = worker_.core.turn_wall();
    ExchangeRecord& record = state_.record;
    record.started = now;
    record.started_steady = worker_.core.turn_steady();
    record.client = client_.address;
    record.method = state_.head.method;
    record.target = state_.head.target;
    record.http10 = state_.head.version == http::Version::Http10;
    http::reassign(record.user_agent, state_.head.fields.first("User-Agent").value_or(std::string_view()));

    if (const auto error =
            http::parse_target(state_.head, client_.scheme, client_.default_authority, state_.target)) {
        refuse(*error);
        return true;
    }
    http::remove_connection_named(state_.head.fields, state_.head.fields);
    record.authority = state_.target.authority;
    if (state_.head.method_kind() == http::Method::Trace) {
        answer_trace();
        return true;
    }
    if (is_last_hop_of_options(state_.head)) {
        http::ResponseHead options;
        options.status = 204;
        options.fields.set("Allow", kAllowedMethods);
        record.status = options.status;
        sink_.own_response(options, {}, false, nullptr, {});
        sink_.end(nullptr);
        return true;
    }
    return begin_routed();
}

// The request has a target, and no field that speaks of one connection.
bool Exchange::begin_routed() {
    const auto behavior = route(*state_.config, state_.target, state_.head);
    if (!behavior) {
        answer_status(404, "no_behavior", "No behavior of the configuration matches this path.", nullptr);
        return true;
    }
    state_.behavior = &state_.config->behaviors[*behavior];
    ExchangeRecord& record = state_.record;
    record.routed = true;
    record.behavior = *behavior;
    record.behavior_name = state_.behavior->path_pattern;
    record.origin = state_.behavior->origin_ref->name;
    const bool over_https = client_.scheme == "https" || (client_.trusted && was_forwarded_over_https(state_.head));
    if (auto own = answer_of_viewer_rules(*state_.behavior, state_.head, state_.target, over_https)) {
        answer_own(std::move(*own), nullptr);
        return true;
    }

    const config::CachePolicy& rules = *state_.behavior->policy_ref;
    if (rules.normalize.any()) {
        if (!state_.behavior->error_pages.empty()) {
            state_.as_sent = state_.head.fields;
        }
        policy::normalise_request(state_.head.fields, rules.normalize);
    }
    const bool has_content = state_.framing.kind == http::Framing::Kind::Chunked || state_.framing.length > 0;
    state_.facts = policy::request_facts(state_.head, has_content);
    if (state_.behavior->caches_post || state_.behavior->caches_options) {
        policy::apply_cached_methods(state_.facts, state_.head.fields, *state_.behavior, state_.framing.length);
    }
    state_.decision = policy::decide_request(state_.facts, rules);
    if (!settle_wishes(rules)) {
        return true;
    }
    policy::make_cache_key(*state_.behavior, state_.target, state_.head, state_.key);
    if (state_.facts.method_is_cached) {
        if (has_content && state_.decision.lookup) {
            content_first_ = true;
            return false;
        }
        policy::append_method_to_key(state_.head, {}, state_.key);
    }
    state_.hash = cache::store::hash_key(state_.key);

    Plan& plan = state_.plan;
    worker_.cache.plan_into(context(), state_.decision, plan);
    switch (plan.kind) {
    case Plan::Kind::Serve:
        if (has_long_file(plan.entry)) {
            return false;
        }
        if (plan.leader) {
            start_background();
        }
        return serve_stored(plan.entry, plan.head, plan.result);
    case Plan::Kind::GatewayTimeout:
        answer_gateway_timeout();
        return true;
    case Plan::Kind::Wait:
    case Plan::Kind::Alone:
    case Plan::Kind::Load:
    case Plan::Kind::Slices: return false;
    }
    return false;
}

cache::RequestContext Exchange::context() const {
    const config::CachePolicy& rules = *state_.behavior->policy_ref;
    const std::uint64_t dice = rules.refresh_ahead > 0 ? worker_.random() : 0;
    return {
        state_.head, state_.facts, rules, state_.key,      state_.hash, worker_.core.index(), worker_.core.turn_wall(),
        arrived_,    unsliced_,    dice,  given_up_.get(), {},          loaded_.get(),        &worker_.near};
}

// A request that was not looked up has no use for its key, and one that was refused has no behavior.
std::string_view Exchange::shown_key() const noexcept {
    const bool is_shown = state_.behavior != nullptr && state_.behavior->cache_status_key && state_.decision.lookup;
    return is_shown ? std::string_view(state_.key) : std::string_view();
}

bool Exchange::serve_stored(const cache::store::HeldEntry& entry, const StoredHead& stored,
                            const policy::CacheResult& result) {
    const http::WallTime now = worker_.core.turn_wall();
    if (finds_no_page(stored.facts.status)) {
        return true;
    }
    std::optional<StoredHead> seen;
    if (state_.behavior->shapes_responses) {
        seen = policy::under_etag_rule(stored, state_.behavior->etag);
    }
    const StoredHead& head = seen ? *seen : stored;
    if (head.facts.status >= 400) {
        const PageStep step = turn_to_page(head, result, true, age_seconds(head, now));
        if (step != PageStep::None) {
            return step == PageStep::Given;
        }
    }
    const std::uint64_t size = entry->body_size();
    const auto part = policy::part_of(head);
    const std::uint64_t boundary_seed = state_.facts.range ? worker_.random() : 0;
    Assembly assembly = policy::assemble_stored(state_.head, head, size, now, boundary_seed,
                                                state_.behavior->policy_ref->immutable);
    assembly.withheld = policy::withheld_fields(*state_.behavior->policy_ref);
    std::optional<policy::ClientHead> client;
    shape_head(assembly, client, head, true);
    const policy::CacheResult shown = shown_result(result, assembly.status);
    const std::uint64_t complete_length = part ? part->complete_length : size;
    const bool whole = assembly.kind == Assembly::Kind::Whole; // as it is stored, which may be a part
    const std::uint64_t length = whole ? size : policy::content_length(assembly, head, complete_length);
    ResponseSink::Head out{assembly, head, shown, complete_length, length, !state_.is_head(), age_seconds(head, now),
                           state_.ignored_wishes, shown_key()};
    state_.record.status = assembly.status;
    state_.record.cache = shown;
    const bool content = !state_.is_head() && !http::status_has_no_content(assembly.status);
    const bool is_whole_in_memory = whole && content && entry->body();
    if (is_whole_in_memory) {
        sink_.stored(out, entry);
    } else {
        sink_.head(out);
    }
    if (content) {
        state_.record.response_body_bytes = length;
        if (whole && !is_whole_in_memory) {
            add_span(entry, 0, size);
        }
        for (std::size_t i = 0; i < assembly.spans.size(); ++i) {
            if (assembly.kind == Assembly::Kind::MultiPart) {
                add_text(policy::multipart_part_head(assembly, i, head, complete_length));
            }
            add_span(entry, assembly.spans[i].first - assembly.content_first, assembly.spans[i].size());
        }
        if (assembly.kind == Assembly::Kind::MultiPart) {
            add_text(policy::multipart_end(assembly));
        }
    }
    if (rest_.empty()) {
        sink_.end(nullptr);
    }
    return true;
}

awaitable<void> Exchange::finish(std::shared_ptr<RequestBody> body, std::shared_ptr<TunnelSlot> tunnel) {
    may_wait_ = true;
    if (state_.page) {
        const bool given = co_await finish_page();
        if (!given) {
            serve_stored(state_.plan.entry, state_.plan.head, state_.plan.result);
            co_await serve_rest(state_.plan.entry);
        }
        co_return;
    }
    const bool is_planned_here = content_first_;
    if (is_planned_here) {
        const bool planned = co_await plan_with_content(body);
        if (!planned) {
            co_return;
        }
    }
    // What has to be kept while a client reads is less than what it took to find its answer.
    Found found;
    const bool is_found = co_await find_answer(body, tunnel, is_planned_here, found);
    if (is_found) {
        co_await stream(found);
    }
}

// Waits, plans again, goes alone.
awaitable<bool> Exchange::find_answer(const std::shared_ptr<RequestBody>& body,
                                      const std::shared_ptr<TunnelSlot>& tunnel, bool is_planned_here, Found& found) {
    for (int joins = 0;; ++joins) {
        Plan& plan = state_.plan;
        if (plan.kind == Plan::Kind::Serve) { // planned again, or what has to be waited for now and then
            if (plan.leader && (joins > 0 || is_planned_here)) {
                start_background();
            }
            co_await serve(plan.entry, plan.head, plan.result);
            break;
        }
        if (plan.kind == Plan::Kind::GatewayTimeout) {
            answer_gateway_timeout();
            break;
        }
        if (plan.kind == Plan::Kind::Load) {
            co_await wait_for_load();
            plan_again();
            continue;
        }
        if (plan.kind == Plan::Kind::Slices) {
            const bool served = co_await serve_slices();
            if (served) {
                break;
            }
            unsliced_ = true;
            plan_again();
            continue;
        }
        if (joins > 0 || is_planned_here) {
            launch(body, tunnel);
        }
        const std::shared_ptr<Fetch> fetch = plan.fetch;
        std::optional<Resolution> given_up;
        const Waited waited = co_await wait_patiently(fetch, given_up);
        if (waited != Waited::Answered && !plan.leader) {
            fetch->waiter_left();
        }
        if (waited == Waited::ClientLeft) {
            if (plan.leader) {
                fetch->initiator_left();
            }
            client_left();
            break;
        }
        if (waited == Waited::Answered) {
            take_trace(*fetch);
        }
        if (body && body->expects_continue()) {
            sink_.close_after(); // no 100 was sent: whether the content still comes is the client's choice
        }
        Resolution resolution = given_up ? *std::move(given_up) : worker_.cache.resolve(context(), plan);
        std::optional<Body::Cursor> cursor;
        if (resolution.kind == Resolution::Kind::Stream && fetch->answer().body) {
            cursor = plan.leader ? fetch->take_initiator_cursor() : fetch->answer().body->open();
            if (!cursor && plan.leader) { // it took interim responses too slowly for those who read the content
                broken();
                break;
            }
            if (!cursor) { // it stopped taking readers between the decision and now
                resolution.kind = Resolution::Kind::Alone;
            }
        }
        if (resolution.kind == Resolution::Kind::Stream) {
            state_.content.reset(); // the fetch has it for as long as it needs it
            found.fetch = fetch;
            found.head = resolution.head;
            found.result = resolution.result;
            found.cursor = std::move(cursor);
            co_return true;
        }
        if (waited == Waited::Answered) {
            leave_unread(*fetch); // its answer is not what this client gets
        } else if (plan.leader) {
            fetch->initiator_left();
        }
        if (resolution.kind == Resolution::Kind::Serve) {
            co_await serve(resolution.entry, resolution.head, resolution.result);
            break;
        }
        if (resolution.kind == Resolution::Kind::Failed) {
            co_await answer_failure(resolution.error, resolution.result);
            break;
        }
        if (resolution.kind == Resolution::Kind::Pass) {
            plan.result = resolution.result;
            plan.result.collapse_failed = !plan.leader;
            plan.kind = Plan::Kind::Alone;
            plan.as_part = true;
            plan.may_store = !resolution.kept;
            continue;
        }
        if (resolution.kind == Resolution::Kind::Rejoin && joins < kMaxJoins) {
            arrived_ = plan.arrived;
            given_up_ = waited == Waited::TooLong ? fetch : given_up_;
            plan_again();
            state_.plan.result.collapse_failed = !state_.plan.result.collapsed;
            if (waited == Waited::TooLong && state_.plan.kind != Plan::Kind::Serve) {
                state_.plan.result.reason = Reason::WaitedTooLong;
            }
            continue;
        }
        plan.result = resolution.result;
        plan.result.collapse_failed = true; // waited for in vain: RFC 9211 section 2.6
        plan.result.reason = waited == Waited::TooLong ? Reason::WaitedTooLong : Reason::NotShareable;
        plan.kind = Plan::Kind::Alone;
        plan.may_store = plan.may_store && !state_.is_head();
    }
    co_return false;
}

// Queues the next bytes as text, and moves on behind them.
void Exchange::copy_content(Body::Cursor& cursor, std::uint64_t bytes) {
    while (bytes > 0) {
        iovec piece{};
        cursor.peek(std::span(&piece, 1), bytes);
        sink_.content(std::string_view(static_cast<const char*>(piece.iov_base), piece.iov_len));
        cursor.advance(piece.iov_len);
        bytes -= piece.iov_len;
    }
}

// Sends [first, first + bytes) of the body, or everything from `first` on.
awaitable<bool> Exchange::stream_span(const std::shared_ptr<Fetch>& fetch, Fetch::Reader& reader,
                                      Body::Cursor& cursor, std::uint64_t first,
                                      std::optional<std::uint64_t> bytes) {
    const Body& body = *fetch->answer().body;
    std::uint64_t left = bytes.value_or(~std::uint64_t{0});
    while (left > 0) {
        const bool more = co_await wait_for_bytes(fetch, cursor.position());
        if (!more) {
            co_return !sink_.failed() && body.state() == Body::State::Complete && !bytes;
        }
        if (cursor.position() < first) { // let go of as it comes: it may fill the window
            cursor.seek(std::min(first, body.published()));
            reader.moved_to(cursor.position());
            continue;
        }
        const bool relayed = body.mode() == Body::Mode::Window;
        const std::uint64_t piece = std::min(
            {left, body.published() - cursor.position(), relayed ? kRelayPieceBytes : kPieceBytes});
        if (relayed && piece <= kCopiedPieceBytes) {
            copy_content(cursor, piece);
        } else {
            sink_.content(cursor, piece, fetch);
            cursor.advance(piece);
        }
        left -= piece;
        state_.record.response_body_bytes += piece;
        // Whatever is complete may leave together with what follows it; otherwise nothing waits in our hands.
        const bool last_piece = body.state() == Body::State::Complete && cursor.position() == body.published();
        if (!last_piece) {
            const bool sent = co_await sink_.flush();
            if (!sent) {
                co_return false;
            }
        }
        reader.moved_to(cursor.position());
    }
    co_return true;
}

// Queues the head of a fetch's answer. Returns whether content follows; `assembly` gets which.
bool Exchange::send_head(const Fetch& fetch, const StoredHead& head, const policy::CacheResult& result,
                         std::optional<std::int64_t> age, Assembly& assembly) {
    const Answer& answer = fetch.answer();
    const http::WallTime now = worker_.core.turn_wall();
    // Conditions and ranges were taken off the request only when the answer was fetched to be stored.
    http::RequestHead unconditional;
    const http::RequestHead& asked = for_store_ ? state_.head : unconditional;
    assembly =
        policy::assemble(asked, head, answer.length, now, worker_.random(), state_.behavior->policy_ref->immutable);
    if (answer.body && answer.body->mode() == Body::Mode::Window &&
        !policy::is_within_reach(assembly.spans, {answer.length, answer.body->published(), false})) {
        // The origin sends the whole to who asked for parts of it. RFC 9110 section 14.2 lets a server do that.
        assembly = policy::assemble(unconditional, head, answer.length, now, 0);
    }
    assembly.withheld = policy::withheld_fields(*state_.behavior->policy_ref);
    std::optional<policy::ClientHead> client;
    shape_head(assembly, client, head, state_.decision.may_store || may_store_post());
    const bool whole = assembly.kind == Assembly::Kind::Whole;
    std::optional<std::uint64_t> length = answer.length;
    if (!whole) {
        length = policy::content_length(assembly, head, answer.length.value_or(0));
    } else if (!answer.body && !state_.is_head() && !length) {
        length = 0;
    }
    const bool content = answer.body && !state_.is_head() && !http::status_has_no_content(assembly.status);
    // The client learns why the answer was not stored; why it was forwarded is what `fwd` says already.
    const policy::CacheResult told = shown_result(result, assembly.status);
    policy::CacheResult shown = told;
    if (answer.not_stored != Reason::None) {
        shown.reason = answer.not_stored;
    }
    ResponseSink::Head out{assembly,   head, shown, answer.length, length, content, age, state_.ignored_wishes,
                           shown_key()};
    sink_.head(out);
    state_.record.status = assembly.status;
    state_.record.cache = told;
    assembly.client = nullptr; // it was for the head
    if (content && (!length || *length > kPieceBytes)) {
        // The client may take long, and nobody asks the request any more: its memory goes.
        [[maybe_unused]] const http::Fields gone = std::exchange(state_.head.fields, http::Fields());
    }
    return content;
}

awaitable<void> Exchange::stream(Found& found) {
    const std::shared_ptr<Fetch>& fetch = found.fetch;
    StoredHead& head = found.head;
    const policy::CacheResult& result = found.result;
    std::optional<Body::Cursor>& cursor = found.cursor;
    const Answer& answer = fetch->answer();
    const http::WallTime now = worker_.core.turn_wall();
    if (answer.status == 101) {
        state_.record.cache = result;
        co_return; // the session takes the tunnel
    }
    if (finds_no_page(answer.status)) {
        leave_unread(*fetch);
        co_return;
    }
    head = policy::under_etag_rule(head, state_.behavior->etag);
    // RFC 9111 section 5.1: Age says that the response is not first-hand; kept when a cache upstream said so.
    std::optional<std::int64_t> age;
    if (answer.stored && (result.collapsed || head.facts.age_seconds > 0)) { // passed on, the Age field is in the head
        age = age_seconds(head, now);
    }
    HeldError held;
    held.cursor = std::move(cursor);
    if (answer.status >= 400) {
        const bool answered = co_await page_instead(fetch, head, result, age, held);
        if (answered) {
            co_return;
        }
    }
    cursor = std::move(held.cursor);
    Fetch::Reader reader(fetch, worker_.core.index(),
                         [](void* sink) { static_cast<ResponseSink*>(sink)->abort(); }, &sink_);
    held.reader.reset();
    Assembly assembly;
    const bool content = send_head(*fetch, head, result, age, assembly);
    const bool whole = assembly.kind == Assembly::Kind::Whole;
    bool ok = true;
    if (content && whole) {
        ok = co_await stream_span(fetch, reader, *cursor, 0, std::nullopt);
    }
    for (std::size_t i = 0; ok && content && i < assembly.spans.size(); ++i) {
        if (assembly.kind == Assembly::Kind::MultiPart) {
            sink_.content(policy::multipart_part_head(assembly, i, head, *answer.length));
            if (i > 0 && assembly.spans[i].first < cursor->position()) {
                cursor = answer.body->open(); // backwards: only possible while the start is kept
            }
        }
        if (!cursor) {
            ok = false;
            break;
        }
        const http::ByteSpan span = assembly.spans[i];
        const std::optional<std::uint64_t> bytes = span.size();
        ok = co_await stream_span(fetch, reader, *cursor, span.first, bytes);
    }
    if (!ok) {
        broken();
        co_return;
    }
    if (assembly.kind == Assembly::Kind::MultiPart && content) {
        sink_.content(policy::multipart_end(assembly));
    }
    sink_.end(content && whole ? &fetch->trailers() : nullptr);
    // The blocks that are still queued belong to the fetch's body: sent before the reader lets go.
    const bool sent = co_await sink_.flush();
    if (!sent) {
        client_left();
    }
}

} // namespace gatehouse::proxy
