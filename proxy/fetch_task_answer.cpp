// What an origin sends back: interim responses, the head, the content, and what becomes of the connection.
#include "proxy/fetch_task_steps.h"

#include "http/conditional.h"
#include "http/forwarding.h"
#include "proxy/content_at_hand.h"
#include "proxy/head_parser.h"
#include "proxy/invalidate.h"
#include "proxy/load_wait.h"
#include "proxy/origin_failure.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

namespace gatehouse::proxy {

using cache::policy::Reason;
using http::Error;
using http::ErrorKind;
using http::Framing;
using http::Retry;
using store_body = cache::store::Body;

namespace {

// Of a head, and of what comes behind it, this much is read at once. Content that there is no room for yet is kept until
// its reader makes room, which thousands of stalled responses multiply; the rest of it goes straight into blocks.
constexpr std::size_t kHeadBytes = Core::kOriginScratchBytes;
constexpr std::size_t kHeadBytesInNeed = 2 * 1024; // where what passes through has little room left
constexpr http::Duration kLongestPause{5'000}; // for a disk that does not keep up; then content goes on without it

// With its memory, which an empty text that is assigned would leave.
void let_go(http::RequestHead& head) { [[maybe_unused]] const http::RequestHead gone = std::exchange(head, {}); }

} // namespace

awaitable<IoResult> FetchTask::read_more_head(http::SteadyTime since) {
    keep_at_hand();
    // While the request's content is still on its way the origin need not answer yet.
    const http::Duration elapsed = std::chrono::duration_cast<http::Duration>(core_.turn_steady() - since);
    const http::Duration limit = origin_.timeouts.first_byte;
    is_uploading_ = pump_ && pump_->sending();
    const http::Duration left =
        limit <= http::Duration::zero() || is_uploading_ ? limit : std::max(limit - elapsed, http::Duration(1));
    const std::size_t most = worker_.cache.store().relays_are_short() ? kHeadBytesInNeed : kHeadBytes;
    return lease_.stream().read_some(std::span(core_.origin_scratch()).first(most), left);
}

// Right after the read: what it brought lies in the core's room for it.
http::Status FetchTask::took_more_head(const IoResult& got) {
    if (got.ok()) {
        const std::string_view bytes(core_.origin_scratch().data(), got.bytes);
        if (input_.empty()) {
            in_scratch_ = bytes;
        } else {
            input_.append(bytes);
        }
        response_seen_ = true;
        return http::success();
    }
    if (got.state == IoResult::State::TimedOut) {
        if (is_uploading_ || (pump_ && pump_->sending())) {
            return http::success();
        }
        return Error(ErrorKind::ResponseTimeout, "no response head within first_byte_timeout");
    }
    // A pooled connection that the origin closed while we reused it says nothing about this request.
    return Error(ErrorKind::ConnectionTerminated,
                 got.state == IoResult::State::EndOfStream ? "the origin closed without answering"
                                                           : "the connection broke before an answer came",
                 lease_.reused() ? Retry::OnFreshConnection : Retry::Never);
}

// Content goes straight into blocks: thousands of stalled responses each keeping the buffer their head came in would add
// up.
void FetchTask::use_up(std::size_t bytes) {
    if (!in_scratch_.empty()) {
        in_scratch_.remove_prefix(bytes);
        return;
    }
    input_.erase(0, bytes);
    if (input_.empty()) {
        input_ = std::string();
    }
}

void FetchTask::keep_at_hand() {
    if (!in_scratch_.empty()) {
        input_.assign(std::exchange(in_scratch_, {}));
    }
}

http::Status FetchTask::take_interim(http::ResponseHead head) {
    if (++interims_ > order_.config->limits.interim_responses) {
        return Error(ErrorKind::ProtocolError, "more interim responses than limits.interim_responses");
    }
    if (head.status == 100) {
        if (!pump_ || !pump_->go_ahead()) {
            return http::success(); // nobody waits for it: RFC 9110 section 15.2.1 lets a proxy drop it
        }
    }
    http::remove_hop_by_hop(head.fields);
    if (head.status != 100) { // that one only tells the client to go on, as we would without the origin
        http::append_via(head.fields, head.version, "gatehouse"); // RFC 9110 section 7.6.3: in every message
    }
    order_.fetch->add_interim(std::move(head));
    return http::success();
}

awaitable<http::Status> FetchTask::receive_head() {
    HeadLimits limits;
    limits.bytes = order_.config->limits.response_head_bytes;
    limits.fields = order_.config->limits.response_head_fields;
    auto since = sent_at_;
    for (;;) {
        HeadParse parse = parse_response_head(at_hand(), limits, head_);
        if (parse.state == HeadParse::State::Bad) {
            co_return std::move(parse.error);
        }
        if (parse.state == HeadParse::State::Incomplete) {
            const IoResult got = co_await read_more_head(since);
            const http::Status more = took_more_head(got);
            if (!more) {
                co_return more.error();
            }
            continue;
        }
        use_up(parse.consumed);
        if (head_.status >= 200 || head_.status == 101) {
            co_return http::success();
        }
        since = core_.clock().steady_now();
        const http::Status taken = take_interim(std::exchange(head_, http::ResponseHead()));
        if (!taken) {
            co_return taken.error();
        }
    }
}

awaitable<FetchTask::Attempt> FetchTask::deliver() {
    http::ResponseHead& head = head_;
    cache::FetchRequest sent = order_.sent();
    if (head.status == 101) {
        // RFC 9110 section 7.8: a 101 answers a request that asked for it, and names the protocol.
        if (!order_.tunnel || !order_.request.upgrade || !head.fields.contains("Upgrade")) {
            Error error(ErrorKind::ProtocolError, "the origin switched protocols without being asked, or to none");
            const Attempt ended = co_await failed(std::move(error));
            co_return ended;
        }
        order_.tunnel->lease = std::move(lease_);
        order_.tunnel->head = head;
        keep_at_hand();
        order_.tunnel->early = std::move(input_);
        cache::Intake none;
        const Framing no_content;
        sent.may_store = false;
        worker_.cache.begin(*order_.fetch, sent, head, no_content, request_time_, core_.turn_wall(), none);
        co_return Attempt::Ended;
    }
    if (order_.unsafe) {
        take_unsafe_answer(worker_.cache, *order_.config, *order_.unsafe, *order_.fetch, head, sent);
    }
    auto framing = http::response_framing(head, order_.request.method);
    if (!framing) {
        Error error = framing.take_error();
        const Attempt ended = co_await failed(std::move(error));
        co_return ended;
    }
    const bool keep_alive = http::wants_keep_alive(head.version, head.fields);
    if (order_.etag_rule() == config::EtagRule::Generate) {
        keep_at_hand();
    }
    apply_etag_rule(order_.etag_rule(), head, *framing, lease_.stream(), input_, sent);
    cache::Intake intake;
    const auto begun = worker_.cache.begin(*order_.fetch, sent, head, *framing, request_time_,
                                           core_.turn_wall(), intake);
    if (begun == cache::HttpCache::BeginResult::RetryUnconditional) {
        // Content that is not wanted is not read: the connection goes with it.
        const bool is_over =
            framing->kind == http::Framing::Kind::None || *framing == http::Framing{http::Framing::Kind::Length, 0};
        co_await end_connection(keep_alive && is_over && at_hand().empty());
        ask_anew(order_.request, order_.as_part);
        order_.fetch->validating = {};
        co_return Attempt::Again;
    }
    if (begun == cache::HttpCache::BeginResult::Unasked) {
        co_await end_connection(keep_alive && at_hand().empty());
        Error error(ErrorKind::ProtocolError, "the origin answered 304 to a request without a condition");
        const Attempt ended = co_await failed(std::move(error));
        co_return ended;
    }
    http::Status relayed = http::success();
    if (framing->kind != Framing::Kind::None && !relay_at_once(*framing, intake)) {
        // Nothing is asked any more. What was is not kept for as long as a slow client takes to read the answer.
        let_go(order_.request.head);
        let_go(order_.client_request);
        [[maybe_unused]] const http::Fields gone = std::exchange(head.fields, http::Fields());
        relayed = co_await relay_body(*framing, intake);
    }
    extra_bytes_ = extra_bytes_ || !at_hand().empty();
    if (!relayed) {
        Error error = relayed.take_error();
        if (total_expired_) {
            error = total_timeout_error();
        }
        if (http::source_of(error.kind) == http::ErrorSource::Upstream) {
            core_.metrics().origin_errors[static_cast<std::size_t>(error.kind)].add();
            log_origin_failure(origin_.name, order_.fetch->trace().origin_address, "content", error);
        } else {
            // We ended it ourselves. Whoever is about to read it all the same has done nothing wrong.
            error = Error(ErrorKind::ResponseIncomplete, "the response was given up");
        }
        worker_.cache.abort(*order_.fetch, intake, std::move(error));
        co_await end_connection(false);
        co_return Attempt::Ended;
    }
    if (framing->kind == Framing::Kind::Chunked) {
        order_.fetch->set_trailers(decoder_.trailers());
    }
    const Reason not_stored = worker_.cache.finish(*order_.fetch, intake);
    if (not_stored == Reason::None && order_.fetch->answer().stored) {
        core_.metrics().stored.add();
    } else if (not_stored != Reason::None) {
        core_.metrics().store_reasons[static_cast<std::size_t>(not_stored)].add();
    }
    const bool is_reusable = keep_alive && framing->kind != Framing::Kind::UntilClose && !extra_bytes_;
    if (pump_) {
        co_await end_connection(is_reusable);
    } else {
        drop_connection(is_reusable);
    }
    co_return Attempt::Ended;
}

awaitable<bool> FetchTask::wait_for_room(cache::Intake& intake) {
    room_event_.reset();
    room_deadline_.arm(order_.config->timeouts.slow_reader);
    for (;;) {
        if (!order_.fetch->wanted() || broken_off_ || total_expired_) {
            room_deadline_.disarm();
            co_return false;
        }
        if (intake.body->prepare().state != store_body::RoomState::Full) {
            room_deadline_.disarm();
            co_return true;
        }
        if (room_deadline_.expired()) {
            const std::size_t cut = order_.fetch->cut_slowest(intake.body->alive_bytes());
            if (cut > 0) {
                core_.metrics().slow_readers_cut.add(cut);
                spdlog::warn("slow readers cut off: origin={} readers={} advice=\"they took nothing for "
                             "timeouts.slow_reader while others waited\"",
                             origin_.name, cut);
            }
            room_deadline_.arm(order_.config->timeouts.slow_reader);
        }
        co_await room_event_.wait();
    }
}

awaitable<http::Result<std::size_t>> FetchTask::read_content(std::span<char> room, const Framing& framing) {
    if (framing.kind == Framing::Kind::Length) {
        room = room.first(static_cast<std::size_t>(std::min<std::uint64_t>(room.size(), remaining_)));
    }
    std::size_t bytes = 0;
    if (const std::string_view here = at_hand(); !here.empty()) {
        bytes = std::min(room.size(), here.size());
        std::memcpy(room.data(), here.data(), bytes);
        use_up(bytes);
    } else {
        const IoResult got = co_await lease_.stream().read_some(room, origin_.timeouts.between_bytes);
        if (got.state == IoResult::State::EndOfStream && framing.kind == Framing::Kind::UntilClose) {
            content_done_ = true;
            co_return std::size_t{0};
        }
        if (got.state == IoResult::State::TimedOut) {
            co_return Error(ErrorKind::ResponseTimeout, "the content paused for longer than between_bytes_timeout");
        }
        if (!got.ok()) {
            co_return Error(order_.fetch->wanted() ? ErrorKind::ResponseIncomplete : ErrorKind::ClientClosed,
                            "the content ended before it was complete");
        }
        bytes = got.bytes;
    }
    if (framing.kind == Framing::Kind::Length) {
        remaining_ -= bytes;
        content_done_ = remaining_ == 0;
        extra_bytes_ = content_done_ && !at_hand().empty();
        co_return bytes;
    }
    if (framing.kind == Framing::Kind::UntilClose) {
        co_return bytes;
    }
    auto step = decoder_.decode(room.first(bytes));
    if (!step) {
        co_return Error(ErrorKind::ProtocolError, "the chunked content is malformed");
    }
    content_done_ = step->done;
    extra_bytes_ = step->done && (step->consumed < bytes || !at_hand().empty());
    co_return step->content;
}

// Content that came with its head, where there is room for all of it. False: nothing was done.
bool FetchTask::relay_at_once(const Framing& framing, cache::Intake& intake) {
    const std::uint64_t bytes = framing.length;
    if (framing.kind != Framing::Kind::Length || bytes == 0 || at_hand().size() < bytes || !order_.fetch->wanted()) {
        return false;
    }
    const auto room = intake.body->prepare();
    if (room.state != store_body::RoomState::Room || room.room.size() < bytes) {
        return false;
    }
    const std::span<char> content = room.room.first(static_cast<std::size_t>(bytes));
    std::memcpy(content.data(), at_hand().data(), content.size());
    use_up(content.size());
    intake.took(content);
    intake.body->publish(content.size());
    return true;
}

awaitable<http::Status> FetchTask::relay_body(const Framing& framing, cache::Intake& intake) {
    remaining_ = framing.length;
    content_done_ = framing.kind == Framing::Kind::Length && framing.length == 0;
    decoder_ = http::ChunkedDecoder();
    store_body& body = *intake.body;
    const std::uint64_t max_object = worker_.cache.store().max_object_bytes();
    while (!content_done_) {
        const auto room = body.prepare();
        if (room.state == store_body::RoomState::Exhausted) {
            worker_.cache.detach(*order_.fetch, intake, Reason::MemoryBudget, core_.turn_wall());
            continue;
        }
        if (room.state == store_body::RoomState::Full) {
            keep_at_hand();
            const bool go_on = co_await wait_for_room(intake);
            if (!go_on) {
                co_return Error(ErrorKind::ClientClosed, "nobody reads the response any more");
            }
            continue;
        }
        if (!order_.fetch->wanted()) {
            co_return Error(ErrorKind::ClientClosed, "nobody reads the response any more");
        }
        const auto got = co_await read_content(room.room, framing);
        if (!got) {
            co_return got.error();
        }
        if (*got > 0) {
            intake.took(room.room.first(*got));
            body.publish(*got);
        }
        if (const auto pause = intake.writer ? intake.writer->pause() : nullptr) {
            keep_at_hand();
            static_cast<void>(co_await wait_for(core_, pause, kLongestPause));
        }
        if (intake.writer && body.mode() == store_body::Mode::Retain && body.published() > max_object) {
            worker_.cache.detach(*order_.fetch, intake, Reason::ResponseTooLarge, core_.turn_wall());
        }
    }
    co_return http::success();
}

} // namespace gatehouse::proxy
