// One request to an origin: connect, send, head, body; retried only where nothing can have happened twice.
#include "proxy/fetch_task.h"

#include "http/conditional.h"
#include "http/forwarding.h"
#include "proxy/acquisition.h"
#include "proxy/body_pump.h"
#include "proxy/content_at_hand.h"
#include "proxy/head_parser.h"
#include "proxy/invalidate.h"
#include "proxy/load_wait.h"
#include "proxy/origin_failure.h"
#include "proxy/spawn.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <optional>
#include <utility>

namespace gatehouse::proxy {

using cache::policy::Reason;
using http::Error;
using http::ErrorKind;
using http::Framing;
using http::Retry;
using store_body = cache::store::Body;

namespace {

// Of a head, and of what comes behind it, this much is read at once. Content that there is no room for yet is kept until its
// reader makes room, which thousands of stalled responses multiply; the rest of it goes straight into blocks.
constexpr std::size_t kHeadBytes = 16 * 1024;
static_assert(kHeadBytes <= Core::kScratchBytes);
constexpr http::Duration kLongestPause{5'000}; // for a disk that does not keep up; then content goes on without it
constexpr unsigned kMaxAttempts = 3; // the first, one on a fresh connection, one without a condition

// With its memory, which an empty text that is assigned would leave.
void let_go(http::RequestHead& head) { [[maybe_unused]] const http::RequestHead gone = std::exchange(head, {}); }

Error total_timeout_error() { return Error(ErrorKind::ResponseTimeout, "the exchange took longer than total_timeout"); }

class FetchTask final : public FetchRegistry::Member, public std::enable_shared_from_this<FetchTask> {
public:
    FetchTask(Worker& worker, FetchOrder&& order)
        : worker_(worker), core_(worker.core), order_(std::move(order)), origin_(*order_.behavior->origin_ref),
          room_deadline_(core_.wheel(), &FetchTask::on_room_deadline, this),
          total_deadline_(core_.wheel(), &FetchTask::on_total_deadline, this) {
        worker_.fetches.add(*this);
    }
    ~FetchTask() { worker_.fetches.remove(*this); }
    FetchTask(const FetchTask&) = delete;
    FetchTask& operator=(const FetchTask&) = delete;

    awaitable<void> run(std::shared_ptr<FetchTask> self);
    void break_off() noexcept override;

private:
    enum class Attempt : std::uint8_t { Ended, Again };

    awaitable<Attempt> attempt();
    Lease idle_connection();
    awaitable<http::Result<Lease>> wait_for_connection();
    awaitable<http::Status> send_request();
    awaitable<http::Result<http::ResponseHead>> receive_head();
    awaitable<http::Status> read_more_head(http::SteadyTime since);
    // What was read and not used: in the core's scratch room, where nothing had to be waited for since, or in input_.
    std::string_view at_hand() const noexcept { return in_scratch_.empty() ? std::string_view(input_) : in_scratch_; }
    void use_up(std::size_t bytes);
    // Before a wait: the scratch room does not survive it.
    void keep_at_hand();
    http::Status take_interim(http::ResponseHead head);
    awaitable<Attempt> deliver(http::ResponseHead head);
    awaitable<http::Status> relay_body(const Framing& framing, cache::Intake& intake);
    awaitable<http::Result<std::size_t>> read_content(std::span<char> room, const Framing& framing);
    awaitable<bool> wait_for_room(cache::Intake& intake);
    awaitable<void> end_connection(bool reusable);
    // The same, where no content of the request is on its way.
    void drop_connection(bool reusable);
    // Ends the connection, if there is one, and the attempt.
    awaitable<Attempt> failed(Error error);
    // Why nobody waits for this any more, if so.
    std::optional<Error> given_up() const;
    void interrupt() noexcept;
    bool may_retry(const Error& error) const;
    void on_home_wake();
    static void on_room_deadline(void* context) { static_cast<FetchTask*>(context)->room_event_.signal(); }
    static void on_total_deadline(void* context);

    Worker& worker_;
    Core& core_;
    FetchOrder order_;
    const config::Origin& origin_;
    std::shared_ptr<Acquisition> acquisition_; // while it waits for a connection
    Lease lease_;
    std::shared_ptr<BodyPump> pump_;
    std::string input_;           // read from the origin, not yet used
    std::string_view in_scratch_; // likewise; one of the two is empty
    Event room_event_;
    Deadline room_deadline_;
    Deadline total_deadline_;
    http::ChunkedDecoder decoder_;
    http::WallTime request_time_{};
    http::SteadyTime sent_at_{};
    std::uint64_t remaining_ = 0;
    bool content_done_ = false;
    bool extra_bytes_ = false;    // something followed the message: the connection is not reused
    bool response_seen_ = false;  // at least one byte of a response
    bool fresh_ = false;
    bool total_expired_ = false;
    bool broken_off_ = false; // the program ends
    unsigned attempts_ = 0;
    std::uint32_t interims_ = 0;
};

awaitable<void> FetchTask::run([[maybe_unused]] std::shared_ptr<FetchTask> self) {
    order_.fetch->set_home_waker([weak = weak_from_this()] {
        if (const auto task = weak.lock()) {
            task->on_home_wake();
        }
    });
    total_deadline_.arm(origin_.timeouts.total);
    for (;;) {
        const Attempt result = co_await attempt();
        if (result == Attempt::Ended) {
            break;
        }
    }
    room_deadline_.disarm();
    total_deadline_.disarm();
    order_.fetch->set_home_waker(nullptr);
}

// Wherever the task is, it looks whether it is to go on.
void FetchTask::interrupt() noexcept {
    room_event_.signal();
    if (acquisition_) {
        acquisition_->interrupt();
    }
    if (lease_) {
        lease_.stream().close();
    }
}

void FetchTask::on_home_wake() {
    if (!order_.fetch->wanted()) {
        interrupt();
    } else {
        room_event_.signal();
    }
}

void FetchTask::break_off() noexcept {
    broken_off_ = true;
    interrupt();
}

void FetchTask::on_total_deadline(void* context) {
    auto* task = static_cast<FetchTask*>(context);
    task->total_expired_ = true;
    task->interrupt();
}

std::optional<Error> FetchTask::given_up() const {
    if (total_expired_) {
        return total_timeout_error();
    }
    if (broken_off_) {
        return Error(ErrorKind::OriginUnavailable, "the proxy is stopping");
    }
    if (!order_.fetch->wanted()) {
        return Error(ErrorKind::ClientClosed, "nobody waits for the response any more");
    }
    return std::nullopt;
}

bool FetchTask::may_retry(const Error& error) const {
    // RFC 9110 section 9.2.2: only what can safely happen twice is sent twice, by its method or by an operator's word
    // that it only asks; and only while nothing of an answer
    // has been seen and all of the content can be repeated.
    return error.retry != Retry::Never && !fresh_ && !response_seen_ && attempts_ < kMaxAttempts && !total_expired_ &&
           !broken_off_ && (http::is_idempotent(order_.request.method) || order_.facts.method_is_cached) &&
           (!pump_ || pump_->can_replay());
}

awaitable<FetchTask::Attempt> FetchTask::failed(Error error) {
    co_await end_connection(false);
    // What we ended ourselves is no fault of the origin's.
    if (auto over = given_up()) {
        error = *std::move(over);
    }
    if (pump_ && pump_->client_error()) {
        error = *pump_->client_error(); // the client broke off: not the origin's fault
    }
    if (may_retry(error)) {
        fresh_ = true;
        core_.metrics().origin_retries.add();
        co_return Attempt::Again;
    }
    if (http::source_of(error.kind) == http::ErrorSource::Upstream) {
        core_.metrics().origin_errors[static_cast<std::size_t>(error.kind)].add();
        log_origin_failure(origin_.name, order_.fetch->trace().origin_address, "head", error);
    }
    worker_.cache.fail(*order_.fetch, std::move(error));
    co_return Attempt::Ended;
}

// None where it has to be waited for.
Lease FetchTask::idle_connection() {
    return fresh_ || given_up() ? Lease() : worker_.pool.take_idle(origin_).value_or(Lease());
}

awaitable<http::Result<Lease>> FetchTask::wait_for_connection() {
    const auto acquisition = Acquisition::start(core_, worker_.pool, order_.config, origin_, fresh_);
    acquisition_ = acquisition;
    std::optional<Error> over = given_up();
    while (!acquisition->done() && !over) {
        co_await acquisition->wait();
        over = given_up();
    }
    acquisition_.reset();
    if (over) {
        acquisition->abandon();
        co_return *over;
    }
    co_return acquisition->take();
}

awaitable<FetchTask::Attempt> FetchTask::attempt() {
    ++attempts_;
    auto& trace = order_.fetch->edit_trace();
    trace.attempts = attempts_;
    trace.origin_status.reset();
    input_.clear();
    in_scratch_ = {};
    response_seen_ = false;
    trace.origin_address.clear();
    http::Result<Lease> leased = idle_connection();
    if (leased && !*leased) {
        leased = co_await wait_for_connection();
    }
    if (!leased) {
        Error error = leased.take_error();
        error.retry = Retry::Never; // the pool has tried every address
        const Attempt ended = co_await failed(std::move(error));
        co_return ended;
    }
    lease_ = std::move(leased).value();
    trace.origin_address = lease_.stream().peer();
    trace.origin_reused = lease_.reused();

    const http::Status sent = co_await send_request();
    if (!sent) {
        Error error = sent.error();
        const Attempt ended = co_await failed(std::move(error));
        co_return ended;
    }
    auto head = co_await receive_head();
    if (!head) {
        Error error = head.take_error();
        const Attempt ended = co_await failed(std::move(error));
        co_return ended;
    }
    const auto waited = core_.clock().steady_now() - sent_at_;
    trace.origin_wait = std::chrono::duration_cast<std::chrono::microseconds>(waited);
    trace.origin_status = head->status;
    http::ResponseHead final_head = std::move(head).value();
    const Attempt result = co_await deliver(std::move(final_head));
    co_return result;
}

awaitable<http::Status> FetchTask::send_request() {
    request_time_ = core_.clock().wall_now();
    sent_at_ = core_.clock().steady_now();
    worker_.cache.sending(*order_.fetch); // before the first byte leaves
    core_.metrics().origin_requests.add();
    std::string head = serialise(order_.request, order_.framing);
    iovec piece{head.data(), head.size()};
    const IoResult wrote =
        co_await lease_.stream().write_all(std::span(&piece, 1), origin_.timeouts.between_bytes);
    if (!wrote.ok()) {
        Error error(wrote.state == IoResult::State::TimedOut ? ErrorKind::ResponseTimeout
                                                             : ErrorKind::ConnectionTerminated,
                    "the request could not be sent", lease_.reused() ? Retry::OnFreshConnection : Retry::Never);
        co_return error;
    }
    if (order_.body) {
        if (!pump_) {
            pump_ = std::make_shared<BodyPump>(core_, order_.body, order_.framing, *order_.config);
        }
        pump_->start(lease_.stream(), order_.fetch, order_.request.expects_continue, origin_.timeouts.between_bytes);
    }
    co_return http::success();
}

awaitable<http::Status> FetchTask::read_more_head(http::SteadyTime since) {
    keep_at_hand();
    // While the request's content is still on its way the origin need not answer yet.
    const http::Duration elapsed =
        std::chrono::duration_cast<http::Duration>(core_.clock().steady_now() - since);
    const http::Duration limit = origin_.timeouts.first_byte;
    const bool uploading = pump_ && pump_->sending();
    const http::Duration left =
        limit <= http::Duration::zero() || uploading ? limit : std::max(limit - elapsed, http::Duration(1));
    const std::span<char> room = std::span(core_.scratch()).first(kHeadBytes);
    const IoResult got = co_await lease_.stream().read_some(room, left); // written to just before it returns
    if (got.ok()) {
        const std::string_view bytes(room.data(), got.bytes);
        if (input_.empty()) {
            in_scratch_ = bytes;
        } else {
            input_.append(bytes);
        }
        response_seen_ = true;
        co_return http::success();
    }
    if (got.state == IoResult::State::TimedOut) {
        if (uploading || (pump_ && pump_->sending())) {
            co_return http::success();
        }
        co_return Error(ErrorKind::ResponseTimeout, "no response head within first_byte_timeout");
    }
    // A pooled connection that the origin closed while we reused it says nothing about this request.
    co_return Error(ErrorKind::ConnectionTerminated,
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

awaitable<http::Result<http::ResponseHead>> FetchTask::receive_head() {
    HeadLimits limits;
    limits.bytes = order_.config->limits.response_head_bytes;
    limits.fields = order_.config->limits.response_head_fields;
    http::ResponseHead head;
    auto since = sent_at_;
    for (;;) {
        HeadParse parse = parse_response_head(at_hand(), limits, head);
        if (parse.state == HeadParse::State::Bad) {
            co_return std::move(parse.error);
        }
        if (parse.state == HeadParse::State::Incomplete) {
            const http::Status more = co_await read_more_head(since);
            if (!more) {
                co_return more.error();
            }
            continue;
        }
        use_up(parse.consumed);
        if (head.status >= 200 || head.status == 101) {
            co_return std::move(head);
        }
        since = core_.clock().steady_now();
        const http::Status taken = take_interim(std::move(head));
        if (!taken) {
            co_return taken.error();
        }
    }
}

awaitable<FetchTask::Attempt> FetchTask::deliver(http::ResponseHead head) {
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
        worker_.cache.begin(*order_.fetch, sent, head, no_content, request_time_, core_.clock().wall_now(), none);
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
                                           core_.clock().wall_now(), intake);
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
    // Nothing is asked any more. What was is not kept for as long as a slow client takes to read the answer.
    let_go(order_.request.head);
    let_go(order_.client_request);
    http::Status relayed = http::success();
    if (framing->kind != Framing::Kind::None) {
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

awaitable<http::Status> FetchTask::relay_body(const Framing& framing, cache::Intake& intake) {
    remaining_ = framing.length;
    content_done_ = framing.kind == Framing::Kind::Length && framing.length == 0;
    decoder_ = http::ChunkedDecoder();
    store_body& body = *intake.body;
    const std::uint64_t max_object = worker_.cache.store().max_object_bytes();
    while (!content_done_) {
        const auto room = body.prepare();
        if (room.state == store_body::RoomState::Exhausted) {
            worker_.cache.detach(*order_.fetch, intake, Reason::MemoryBudget, core_.clock().wall_now());
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
            worker_.cache.detach(*order_.fetch, intake, Reason::ResponseTooLarge, core_.clock().wall_now());
        }
    }
    co_return http::success();
}

awaitable<void> FetchTask::end_connection(bool reusable) {
    if (pump_) {
        // The pump must be out of our stream before the stream goes away; what it still reads it drops.
        reusable = reusable && pump_->complete();
        if (!reusable && lease_) {
            lease_.stream().close();
        }
        co_await pump_->detach();
    }
    drop_connection(reusable);
}

void FetchTask::drop_connection(bool reusable) {
    if (lease_ && reusable) {
        lease_.give_back();
    }
    lease_ = Lease();
}

} // namespace

void start_fetch(Worker& worker, FetchOrder&& order) {
    auto task = std::make_shared<FetchTask>(worker, std::move(order));
    FetchTask& reference = *task;
    spawn_logged(worker.core.coroutines(), "fetch", reference.run(std::move(task)));
}

} // namespace gatehouse::proxy
