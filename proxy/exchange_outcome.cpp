// What became of an exchange, as its record tells it.
#include "proxy/exchange.h"

#include <algorithm>
#include <chrono>

namespace gatehouse::proxy {

using cache::Answer;
using cache::Fetch;
using http::ErrorKind;

namespace {

constexpr const char* kDiskFailed = "the disk could not be read";

} // namespace

void Exchange::take_trace(const Fetch& fetch) {
    const cache::FetchTrace& trace = fetch.trace();
    ExchangeRecord& record = state_.record;
    record.origin_address = trace.origin_address;
    record.origin_reused = trace.origin_reused;
    record.origin_attempts = trace.attempts;
    record.origin_status = trace.origin_status;
    record.origin_wait = trace.origin_wait;
    if (fetch.answer().kind == Answer::Kind::Response) {
        record.store_reason = fetch.answer().not_stored;
    }
}

void Exchange::client_left() {
    if (sink_.file_failed()) {
        state_.record.error = ErrorKind::ResponseIncomplete;
        state_.record.error_detail = kDiskFailed;
        return;
    }
    state_.record.error = ErrorKind::ClientClosed;
    state_.record.error_detail = "the client closed, or took nothing for too long, before the response was complete";
}

// The content ends before its time. Whose fault it is: a client that is gone is seen where we write to it.
void Exchange::broken() {
    if (state_.record.error == ErrorKind::ResponseIncomplete) {
        return; // told already
    }
    if (sink_.failed()) {
        client_left();
        return;
    }
    state_.record.error = ErrorKind::ResponseIncomplete;
    state_.record.error_detail = "the origin broke off";
    state_.record.cache.stored = false; // what was announced did not come true
    sink_.abort();
}

void Exchange::file_is_broken() {
    if (sink_.failed()) {
        client_left();
        return;
    }
    state_.record.error = ErrorKind::ResponseIncomplete;
    state_.record.error_detail = kDiskFailed;
    sink_.abort();
}

void Exchange::record(std::uint64_t unsent_bytes) {
    ExchangeRecord& record = state_.record;
    Core& core = worker_.core;
    // What the core keeps, and answered in the turn in which it was asked for, took next to nothing.
    const bool is_quick = record.started_steady == core.turn_steady() && state_.plan.entry.companion() != nullptr;
    const http::SteadyTime now = is_quick ? core.recent_steady() : core.read_steady();
    record.duration = std::chrono::duration_cast<std::chrono::microseconds>(now - record.started_steady);
    if (unsent_bytes > 0) {
        record.response_body_bytes -= std::min(record.response_body_bytes, unsent_bytes);
        if (!record.error) {
            client_left();
        }
    }
    record.complete = unsent_bytes == 0 && record.status != 0 && record.error != ErrorKind::ClientClosed &&
                      record.error != ErrorKind::ResponseIncomplete;
    core.metrics().count(record);
    if (!worker_.log.submit(core.index(), record)) {
        core.metrics().access_log_dropped.add();
    }
}

} // namespace gatehouse::proxy
