// How an exchange waits: for what the disk has, for the answer of its fetch, and for more of its content.
#include "proxy/exchange.h"
#include "proxy/fetch_waiter.h"
#include "proxy/load_wait.h"

#include <chrono>

namespace gatehouse::proxy {

using cache::Fetch;
using cache::store::Body;

namespace {

constexpr http::Duration kLongestLoad{1'000}; // then it counts as not stored

} // namespace

void Exchange::plan_again() {
    state_.plan = worker_.cache.plan(context(), state_.decision);
    loaded_.reset();
}

awaitable<void> Exchange::wait_for_load() {
    const std::shared_ptr<cache::store::Load> load = state_.plan.load;
    const bool has_finished = co_await wait_for(worker_.core, load, kLongestLoad);
    loaded_ = has_finished ? load : std::make_shared<cache::store::Load>();
}

awaitable<Exchange::Waited> Exchange::wait_patiently(const std::shared_ptr<Fetch>& fetch,
                                                     std::optional<cache::Resolution>& given_up) {
    std::size_t interims_seen = 0;
    bool may_serve_stale = true;
    for (;;) {
        const http::SteadyTime now = worker_.core.turn_steady();
        const auto since = std::chrono::duration_cast<http::Duration>(now - state_.record.started_steady);
        const cache::Patience patience = worker_.cache.patience(context(), state_.plan, since, may_serve_stale);
        const Waited waited = co_await wait_for_answer(fetch, patience.wait, interims_seen);
        if (waited != Waited::TooLong) {
            co_return waited;
        }
        given_up = worker_.cache.give_up_waiting(context(), state_.plan, patience);
        if (given_up) {
            co_return waited;
        }
        may_serve_stale = false;
    }
}

awaitable<Exchange::Waited> Exchange::wait_for_answer(const std::shared_ptr<Fetch>& fetch, http::Duration longest,
                                                      std::size_t& seen) {
    FetchWaiter waiting;
    Deadline deadline(worker_.core.wheel(), &FetchWaiter::wake, &waiting);
    deadline.arm(longest);
    for (;;) {
        // Asked first: once it has its answer, no interim response is added, and all of them are seen below.
        const bool answered = fetch->phase() != Fetch::Phase::Pending;
        if (fetch->interim_count() > seen) {
            const auto interims = fetch->interims_after(seen);
            for (const auto& interim : interims) {
                sink_.interim(interim);
            }
            seen += interims.size();
            const bool sent = co_await sink_.flush();
            if (!sent) {
                co_return Waited::ClientLeft;
            }
        }
        if (answered) {
            co_return Waited::Answered;
        }
        if (deadline.expired() && fetch->phase() == Fetch::Phase::Pending) {
            co_return Waited::TooLong;
        }
        fetch->wait(worker_.core.index(), waiting.waiter);
        if (fetch->phase() == Fetch::Phase::Pending && fetch->interim_count() == seen) {
            co_await waiting.event.wait();
        }
    }
}

awaitable<bool> Exchange::wait_for_bytes(const std::shared_ptr<Fetch>& fetch, std::uint64_t beyond) {
    const Body& body = *fetch->answer().body;
    const bool is_over = body.state() != Body::State::Filling; // asked first: then everything is published
    const bool is_there = body.published() > beyond;
    return is_there || is_over ? awaitable<bool>::ready(is_there) : wait_until_published(fetch, beyond);
}

awaitable<bool> Exchange::wait_until_published(const std::shared_ptr<Fetch>& fetch, std::uint64_t beyond) {
    const Body& body = *fetch->answer().body;
    FetchWaiter waiting;
    // The state first: once it says Complete, everything is published.
    while (body.state() == Body::State::Filling && body.published() <= beyond) {
        // Nothing more to send for now: let the client have what there is.
        const bool sent = co_await sink_.flush();
        if (!sent) {
            co_return false;
        }
        fetch->wait(worker_.core.index(), waiting.waiter);
        if (body.state() == Body::State::Filling && body.published() <= beyond) {
            co_await waiting.event.wait();
        }
    }
    co_return body.published() > beyond;
}

} // namespace gatehouse::proxy
