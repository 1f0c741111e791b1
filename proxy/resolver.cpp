// What is known about each name, behind one short mutex; questions and deadlines on the home core only.
#include "proxy/resolver.h"

#include "proxy/diagnostic_log.h"
#include "proxy/dns_channel.h"
#include "proxy/event.h"

#include <boost/asio/ip/address.hpp>

#include <spdlog/spdlog.h>

#include <algorithm>
#include <mutex>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace gatehouse::proxy {

using http::Error;
using http::ErrorKind;

namespace {

using Snapshot = std::shared_ptr<const Addresses>;
using Outcome = http::Result<Snapshot>;

// A name that nobody asked for during this time is not kept fresh any more.
constexpr http::Duration kRecentlyUsed = std::chrono::minutes(2);
// While a name fails, it is asked again after this, then after twice as long, up to the second one.
constexpr http::Duration kFirstRetry = std::chrono::seconds(1);
constexpr http::Duration kLastRetry = std::chrono::seconds(30);
constexpr http::Duration kLongestRefusal = std::chrono::seconds(5); // when there is no address to fall back on

std::string_view outcome_text(DnsAnswer::Outcome outcome) {
    using enum DnsAnswer::Outcome;
    switch (outcome) {
    case Found: return "found";
    case NoSuchName: return "NXDOMAIN";
    case NoAddress: return "it has no A and no AAAA record";
    case ServerFailure: return "SERVFAIL";
    case Refused: return "REFUSED";
    case TimedOut: return "no DNS server answered within dns.timeout";
    case NoServer: return "no DNS server is reachable and of use";
    case Cancelled: return "the proxy is stopping";
    }
    return "";
}

Error error_of(DnsAnswer::Outcome outcome, const std::string& host) {
    const ErrorKind kind = outcome == DnsAnswer::Outcome::TimedOut ? ErrorKind::DnsTimeout : ErrorKind::DnsError;
    return Error(kind, host + " does not resolve: " + std::string(outcome_text(outcome)));
}

std::string join(const std::vector<asio::ip::address>& addresses) {
    std::string text;
    for (const asio::ip::address& address : addresses) {
        text += text.empty() ? "" : ",";
        text += address.to_string();
    }
    return text;
}

bool same_set(std::vector<asio::ip::address> a, std::vector<asio::ip::address> b) {
    std::sort(a.begin(), a.end());
    std::sort(b.begin(), b.end());
    return a == b;
}

// One coroutine that waits for an answer. Shared by it and by the entry it waits for.
struct Waiter {
    explicit Waiter(Core& core) : caller(core) {}
    static void on_deadline(void* self) { static_cast<Waiter*>(self)->event.signal(); }
    Core& caller;
    Event event;                    // on the caller's thread only, as is
    std::optional<Outcome> outcome; // the answer
};

void wake(std::vector<std::shared_ptr<Waiter>> waiters, const Outcome& outcome) {
    for (auto& waiter : waiters) {
        Core& caller = waiter->caller;
        caller.post([waiter = std::move(waiter), outcome] {
            waiter->outcome = outcome;
            waiter->event.signal();
        });
    }
}

} // namespace

bool Addresses::contains(const asio::ip::address& address) const noexcept {
    return std::find(list.begin(), list.end(), address) != list.end();
}

struct Resolver::State : std::enable_shared_from_this<State> {
    struct Entry {
        Entry(State& owner, std::string name)
            : state(owner),
              host(std::move(name)),
              next(owner.home.wheel(), &State::on_next, this),
              limit(owner.home.wheel(), &State::on_limit, this) {}

        State& state;
        const std::string host;
        // Under the mutex:
        Snapshot current;                             // the last good answer
        std::optional<Error> failure;                 // instead of it, when there is none
        bool fresh = false;                           // whether one of the two may be used without asking
        bool asking = false;                          // a question is under way, or posted to the home core
        bool used = false;                            // since the home core looked last
        std::vector<std::shared_ptr<Waiter>> waiters; // for the answer
        // On the home core only:
        std::uint64_t question = 0; // counts, so that a late answer is told from the awaited one
        unsigned failures = 0;      // in a row
        http::SteadyTime last_used{};
        http::SteadyTime usable_until{}; // the end of dns.stale for `current`
        Deadline next;                   // the TTL has ended, or it is time to try again
        Deadline limit;                  // of the question under way
    };

    State(Core& core, const config::Dns& dns) : home(core), options(dns), channel(core, dns) {}

    std::optional<Outcome> known(const std::string& host);
    std::optional<Outcome> enlist(const std::string& host, const std::shared_ptr<Waiter>& waiter);
    void leave(const std::string& host, const std::shared_ptr<Waiter>& waiter);
    Entry& entry_for(const std::string& host);
    void evict(const Entry& keep);
    void ask(const std::string& host);
    void answered(const std::string& host, std::uint64_t question, DnsAnswer answer);
    void settle(Entry& entry, DnsAnswer answer);
    void take_addresses(Entry& entry, DnsAnswer answer);
    void take_failure(Entry& entry, DnsAnswer::Outcome outcome);
    void end();
    static awaitable<Outcome> resolve(std::shared_ptr<State> state, Core& caller, std::string host,
                                      http::Duration timeout);
    static void on_next(void* entry);
    static void on_limit(void* entry);

    Core& home;
    const config::Dns options;
    DnsChannel channel;
    mutable std::mutex mutex;
    bool stopped = false;
    std::unordered_map<std::string, std::unique_ptr<Entry>> entries;
};

// Requires: the mutex is held.
Resolver::State::Entry& Resolver::State::entry_for(const std::string& host) {
    std::unique_ptr<Entry>& entry = entries[host];
    if (!entry) {
        entry = std::make_unique<Entry>(*this, host);
    }
    return *entry;
}

std::optional<Outcome> Resolver::State::known(const std::string& host) {
    const std::scoped_lock lock(mutex);
    const auto found = entries.find(host);
    if (found != entries.end()) {
        Entry& entry = *found->second;
        if (!entry.fresh) {
            return std::nullopt;
        }
        entry.used = true;
        return entry.current ? Outcome(entry.current) : Outcome(*entry.failure);
    }
    error_code no_literal;
    const auto address = asio::ip::make_address(host, no_literal);
    if (no_literal) {
        return std::nullopt;
    }
    auto itself = std::make_shared<Addresses>();
    itself->list.push_back(address);
    itself->version = 1;
    if (entries.size() < kMaxNames) {
        Entry& entry = entry_for(host); // it never ends, so nothing is armed
        entry.current = itself;
        entry.fresh = true;
    }
    return Outcome(Snapshot(std::move(itself)));
}

// Waits for the answer about `host`, and sees to it that somebody asks. A value: there is nothing to wait for.
std::optional<Outcome> Resolver::State::enlist(const std::string& host, const std::shared_ptr<Waiter>& waiter) {
    {
        const std::scoped_lock lock(mutex);
        if (stopped) {
            return Outcome(error_of(DnsAnswer::Outcome::Cancelled, host));
        }
        Entry& entry = entry_for(host);
        entry.used = true;
        if (entry.fresh) {
            return entry.current ? Outcome(entry.current) : Outcome(*entry.failure);
        }
        entry.waiters.push_back(waiter);
        if (std::exchange(entry.asking, true)) {
            return std::nullopt;
        }
    }
    home.post([state = shared_from_this(), host] { state->ask(host); });
    return std::nullopt;
}

void Resolver::State::leave(const std::string& host, const std::shared_ptr<Waiter>& waiter) {
    const std::scoped_lock lock(mutex);
    const auto found = entries.find(host);
    if (found != entries.end()) {
        std::erase(found->second->waiters, waiter);
    }
}

// Forgets the names that were used longest ago. Requires: the mutex is held.
void Resolver::State::evict(const Entry& keep) {
    while (entries.size() > kMaxNames) {
        auto oldest = entries.end();
        for (auto it = entries.begin(); it != entries.end(); ++it) {
            const Entry& entry = *it->second;
            if (&entry == &keep || entry.asking || !entry.waiters.empty()) {
                continue;
            }
            const bool better = oldest == entries.end() || (oldest->second->used && !entry.used) ||
                                (oldest->second->used == entry.used && entry.last_used < oldest->second->last_used);
            if (better) {
                oldest = it;
            }
        }
        if (oldest == entries.end()) {
            return;
        }
        entries.erase(oldest);
    }
}

// Requires: entry.asking was set by the caller.
void Resolver::State::ask(const std::string& host) {
    std::uint64_t question = 0;
    {
        const std::scoped_lock lock(mutex);
        if (stopped) {
            return;
        }
        Entry& entry = entry_for(host);
        evict(entry);
        question = ++entry.question;
        entry.limit.arm(channel.longest());
    }
    channel.ask(host, [weak = weak_from_this(), host, question](DnsAnswer answer) {
        if (const auto state = weak.lock()) {
            state->answered(host, question, std::move(answer));
        }
    });
}

void Resolver::State::answered(const std::string& host, std::uint64_t question, DnsAnswer answer) {
    std::unique_lock lock(mutex);
    const auto found = entries.find(host);
    if (stopped || found == entries.end() || found->second->question != question || !found->second->asking) {
        return; // too late
    }
    Entry& entry = *found->second;
    settle(entry, std::move(answer));
    const Outcome outcome = entry.current ? Outcome(entry.current) : Outcome(*entry.failure);
    auto waiters = std::exchange(entry.waiters, {});
    lock.unlock();
    wake(std::move(waiters), outcome);
}

// Requires: the mutex is held.
void Resolver::State::settle(Entry& entry, DnsAnswer answer) {
    entry.asking = false;
    entry.fresh = true;
    entry.limit.disarm();
    if (std::exchange(entry.used, false) || entry.last_used == http::SteadyTime{}) {
        entry.last_used = home.clock().steady_now();
    }
    if (answer.outcome == DnsAnswer::Outcome::Found) {
        take_addresses(entry, std::move(answer));
    } else {
        take_failure(entry, answer.outcome);
    }
}

void Resolver::State::take_addresses(Entry& entry, DnsAnswer answer) {
    const http::Duration ttl = std::clamp(answer.ttl, std::min(options.min_ttl, options.max_ttl), options.max_ttl);
    entry.usable_until = home.clock().steady_now() + ttl + options.stale;
    entry.next.arm(std::max(ttl, http::Duration(1)));
    if (std::exchange(entry.failures, 0) > 0) {
        spdlog::info("origin name {} resolves again addresses={}", log_value(entry.host), join(answer.addresses));
    }
    entry.failure.reset();
    // The order changes with every answer of many servers, which means nothing.
    if (entry.current && same_set(entry.current->list, answer.addresses)) {
        return;
    }
    auto addresses = std::make_shared<Addresses>();
    addresses->version = entry.current ? entry.current->version + 1 : 1;
    addresses->list = std::move(answer.addresses);
    if (entry.current) {
        spdlog::info("origin name {} has other addresses now, connections to the old ones are closed after their "
                     "current exchange addresses={} before={}",
                     log_value(entry.host), join(addresses->list), join(entry.current->list));
        entry.current->outdated.store(true, std::memory_order_release);
    }
    entry.current = std::move(addresses);
}

void Resolver::State::take_failure(Entry& entry, DnsAnswer::Outcome outcome) {
    ++entry.failures;
    channel.doubt_servers();
    const http::SteadyTime now = home.clock().steady_now();
    const bool had_addresses = entry.current != nullptr;
    if (had_addresses && now < entry.usable_until) {
        const auto doubled = kFirstRetry * (1 << std::min(entry.failures - 1, 5U));
        entry.next.arm(std::max(std::min<http::Duration>(doubled, kLastRetry), options.min_ttl));
        if (entry.failures == 1) {
            spdlog::warn("origin name {} does not resolve: {}; its last addresses stay in use for {} s (dns.stale); "
                         "check the url of the origin or dns.servers addresses={}",
                         log_value(entry.host), outcome_text(outcome),
                         std::chrono::duration_cast<std::chrono::seconds>(entry.usable_until - now).count(),
                         join(entry.current->list));
        }
        return;
    }
    if (had_addresses) {
        entry.current->outdated.store(true, std::memory_order_release);
    }
    entry.current.reset();
    entry.failure = error_of(outcome, entry.host);
    entry.next.arm(std::clamp(options.min_ttl, kFirstRetry, kLongestRefusal));
    if (entry.failures == 1 || had_addresses) {
        spdlog::warn("origin name {} does not resolve: {}; check the url of the origin or dns.servers",
                     log_value(entry.host), outcome_text(outcome));
    }
}

// The TTL has ended, or a failure is old enough to try again.
void Resolver::State::on_next(void* entry_pointer) {
    auto& entry = *static_cast<Entry*>(entry_pointer);
    State& state = entry.state;
    {
        const std::scoped_lock lock(state.mutex);
        if (entry.asking) {
            return;
        }
        const http::SteadyTime now = state.home.clock().steady_now();
        if (std::exchange(entry.used, false)) {
            entry.last_used = now;
        }
        if (!entry.current || now - entry.last_used >= kRecentlyUsed) {
            entry.fresh = false; // whoever needs it next asks
            return;
        }
        entry.asking = true; // what is known stays in use until the answer is there
    }
    const std::string host = entry.host;
    state.ask(host);
}

void Resolver::State::on_limit(void* entry_pointer) {
    auto& entry = *static_cast<Entry*>(entry_pointer);
    DnsAnswer none;
    none.outcome = DnsAnswer::Outcome::TimedOut;
    const std::string host = entry.host;
    entry.state.answered(host, entry.question, std::move(none));
}

void Resolver::State::end() {
    std::vector<std::pair<std::string, std::vector<std::shared_ptr<Waiter>>>> waiting;
    {
        const std::scoped_lock lock(mutex);
        stopped = true;
        for (auto& [host, entry] : entries) {
            entry->next.disarm();
            entry->limit.disarm();
            if (!entry->waiters.empty()) {
                waiting.emplace_back(host, std::exchange(entry->waiters, {}));
            }
        }
    }
    channel.stop();
    for (auto& [host, waiters] : waiting) {
        wake(std::move(waiters), Outcome(error_of(DnsAnswer::Outcome::Cancelled, host)));
    }
}

Resolver::Resolver(Core& home, const config::Dns& options) : state_(std::make_shared<State>(home, options)) {}

Resolver::~Resolver() { state_->end(); }

void Resolver::stop() { state_->end(); }

std::shared_ptr<const Addresses> Resolver::known(const std::string& host) {
    std::optional<Outcome> outcome = state_->known(host);
    return outcome && *outcome ? std::move(*outcome).value() : nullptr;
}

std::shared_ptr<const Addresses> Resolver::peek(const std::string& host) const {
    const std::scoped_lock lock(state_->mutex);
    const auto found = state_->entries.find(host);
    return found == state_->entries.end() ? nullptr : found->second->current;
}

awaitable<http::Result<std::shared_ptr<const Addresses>>> Resolver::resolve(Core& caller, std::string host,
                                                                            http::Duration timeout) {
    return State::resolve(state_, caller, std::move(host), timeout); // it runs later, perhaps longer than this object
}

awaitable<Outcome> Resolver::State::resolve(std::shared_ptr<State> state, Core& caller, std::string host,
                                            http::Duration timeout) {
    if (auto known = state->known(host)) {
        co_return std::move(*known);
    }
    const auto waiter = std::make_shared<Waiter>(caller);
    if (auto known = state->enlist(host, waiter)) {
        co_return std::move(*known);
    }
    // Leaves the queue whatever ends the wait, the end of the core included.
    struct Place {
        State& state;
        const std::string& host;
        const std::shared_ptr<Waiter>& waiter;
        ~Place() { state.leave(host, waiter); }
    };
    const Place place{*state, host, waiter};
    Deadline deadline(caller.wheel(), &Waiter::on_deadline, waiter.get());
    deadline.arm(timeout);
    co_await waiter->event.wait();
    deadline.disarm();
    if (!waiter->outcome) {
        co_return Error(ErrorKind::DnsTimeout, host + " was not resolved in time");
    }
    co_return std::move(*waiter->outcome);
}

} // namespace gatehouse::proxy
