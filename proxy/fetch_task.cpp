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
    auto task = std::make_shared<FetchTask>(worker, std::move(order));
    FetchTask& reference = *task;
    spawn_logged(worker.core.coroutines(), "fetch", reference.run(std::move(task)));
}

} // namespace gatehouse::proxy
