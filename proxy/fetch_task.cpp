// One request to an origin: connect, send, head, body; retried only where nothing can have happened twice.
#include "proxy/fetch_task.h"

#include "proxy/fetch_task_steps.h"
#include "proxy/origin_failure.h"
#include "proxy/spawn.h"

#include <chrono>
#include <optional>
#include <utility>

namespace gatehouse::proxy {

using http::Error;
using http::ErrorKind;
using http::Retry;

namespace {

constexpr unsigned kMaxAttempts = 3; // the first, one on a fresh connection, one without a condition

} // namespace

Error FetchTask::total_timeout_error() {
    return Error(ErrorKind::ResponseTimeout, "the exchange took longer than total_timeout");
}

awaitable<void> FetchTask::run([[maybe_unused]] std::unique_ptr<FetchTask> self) {
    total_deadline_.arm(origin_.timeouts.total);
    for (;;) {
        const Attempt result = co_await attempt();
        if (result == Attempt::Ended) {
            break;
        }
    }
    room_deadline_.disarm();
    total_deadline_.disarm();
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

void FetchTask::on_home_wake() noexcept {
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

// RFC 9110 section 9.2.2: only what can safely happen twice is sent twice, by its method or by an operator's word that it
// only asks.
bool FetchTask::may_happen_twice() const {
    return http::is_idempotent(order_.request.method) || order_.facts.method_is_cached;
}

// And only while nothing of an answer has been seen and all of the content can be repeated.
bool FetchTask::may_retry(const Error& error) const {
    return error.retry != Retry::Never && !fresh_ && !response_seen_ && attempts_ < kMaxAttempts && !total_expired_ &&
           !broken_off_ && may_happen_twice() && (!pump_ || pump_->can_replay());
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
    const bool may_be_sent_again = may_happen_twice() && !order_.body;
    return fresh_ || given_up() ? Lease() : worker_.pool.take_idle(origin_, may_be_sent_again).value_or(Lease());
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

    const IoResult wrote = co_await send_request();
    const http::Status sent = sent_request(wrote);
    if (!sent) {
        Error error = sent.error();
        const Attempt ended = co_await failed(std::move(error));
        co_return ended;
    }
    const http::Status received = co_await receive_head();
    if (!received) {
        Error error = received.error();
        const Attempt ended = co_await failed(std::move(error));
        co_return ended;
    }
    const auto waited = core_.clock().steady_now() - sent_at_;
    trace.origin_wait = std::chrono::duration_cast<std::chrono::microseconds>(waited);
    trace.origin_status = head_.status;
    const Attempt result = co_await deliver();
    co_return result;
}

// The head of the request.
awaitable<IoResult> FetchTask::send_request() {
    request_time_ = core_.turn_wall(); // not later than it is: what is stored is not taken for younger
    sent_at_ = core_.clock().steady_now();
    worker_.cache.sending(*order_.fetch); // before the first byte leaves
    core_.metrics().origin_requests.add();
    head_text_ = serialise(order_.request, order_.framing);
    head_piece_ = iovec{head_text_.data(), head_text_.size()};
    return lease_.stream().write_all(std::span(&head_piece_, 1), origin_.timeouts.between_bytes);
}

// Its content follows, if it has any.
http::Status FetchTask::sent_request(const IoResult& wrote) {
    head_text_ = std::string();
    if (!wrote.ok()) {
        return Error(wrote.state == IoResult::State::TimedOut ? ErrorKind::ResponseTimeout
                                                              : ErrorKind::ConnectionTerminated,
                     "the request could not be sent", lease_.reused() ? Retry::OnFreshConnection : Retry::Never);
    }
    if (order_.body) {
        if (!pump_) {
            pump_ = std::make_shared<BodyPump>(core_, order_.body, order_.framing, *order_.config);
        }
        pump_->start(lease_.stream(), order_.fetch, order_.request.expects_continue, origin_.timeouts.between_bytes);
    }
    return http::success();
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

void start_fetch(Worker& worker, FetchOrder&& order) {
    auto task = std::make_unique<FetchTask>(worker, std::move(order));
    FetchTask& reference = *task;
    spawn_logged(worker.core.coroutines(), "fetch", reference.run(std::move(task)));
}

} // namespace gatehouse::proxy
