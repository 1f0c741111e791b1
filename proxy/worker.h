// What one core needs to serve clients, in one place: its loop, the shared cache, its origin connections, its log.
#pragma once

#include "cache/http_cache.h"
#include "config/config.h"
#include "proxy/access_log.h"
#include "proxy/core.h"
#include "proxy/request_state.h"
#include "proxy/session_registry.h"
#include "proxy/trusted_proxies.h"
#include "proxy/upstream_pool.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <unordered_set>
#include <vector>

namespace gatehouse::proxy {

// Of all cores: connections, for limits.connections and for choosing the core of a new one, and what they hold.
struct ConnectionCount {
    std::atomic<std::uint32_t> total{0};
    std::atomic<std::uint64_t> keyed_content_bytes{0}; // for limits.keyed_content_size
};

// Request states of finished requests, to be used again: one is in use at a time on the hit path, or as many as a
// client pipelines.
class StatePool {
public:
    std::unique_ptr<RequestState> take() {
        if (spare_.empty()) {
            return std::make_unique<RequestState>();
        }
        auto state = std::move(spare_.back());
        spare_.pop_back();
        return state;
    }
    // Requires: cleared.
    void give(std::unique_ptr<RequestState> state) {
        if (state && spare_.size() < kSpare) {
            spare_.push_back(std::move(state));
        }
    }

private:
    static constexpr std::size_t kSpare = 64;
    std::vector<std::unique_ptr<RequestState>> spare_;
};

// Fetches of one core that have not ended, so that a stop that has waited long enough can end them.
class FetchRegistry {
public:
    class Member {
    public:
        virtual void break_off() noexcept = 0;

    protected:
        ~Member() = default;
    };
    void add(Member& member) { members_.insert(&member); }
    void remove(Member& member) { members_.erase(&member); }
    std::size_t size() const noexcept { return members_.size(); }
    void break_off_all() {
        for (Member* member : members_) {
            member->break_off();
        }
    }

private:
    std::unordered_set<Member*> members_;
};

struct FetchOrder; // proxy/fetch_task.h

struct Worker {
    Worker(Core& on_core, cache::HttpCache& shared_cache, UpstreamPool& origins, AccessLog& access_log,
           ConnectionCount& connection_count, std::shared_ptr<const TrustedProxies> trusted_proxies,
           std::shared_ptr<const config::Config> current)
        : core(on_core),
          cache(shared_cache),
          pool(origins),
          log(access_log),
          connections(connection_count),
          trusted(std::move(trusted_proxies)),
          config(for_this_core(std::move(current))) {}

    // A reference whose count is this core's alone: every request takes one, and cores that count on one line take turns
    // at it.
    static std::shared_ptr<const config::Config> for_this_core(std::shared_ptr<const config::Config> shared) {
        struct alignas(64) Own {
            std::shared_ptr<const config::Config> config;
        };
        auto own = std::make_shared<Own>();
        own->config = std::move(shared);
        return {own, own->config.get()};
    }

    Core& core;
    cache::HttpCache& cache;
    UpstreamPool& pool;
    AccessLog& log;
    ConnectionCount& connections;
    // The configuration for new requests, and the networks that it trusts for new connections. A reload replaces both, on
    // this core; a request keeps the configuration that it started with.
    std::shared_ptr<const TrustedProxies> trusted;
    std::shared_ptr<const config::Config> config;
    std::atomic<std::uint32_t> sessions{0};         // open on this core; read by the listener
    std::mt19937_64 random{std::random_device{}()}; // multipart boundaries; no secret depends on it
    StatePool states;
    SessionRegistry registry;
    FetchRegistry fetches;
    // Takes the orders of fetches instead of start_fetch, where there is no origin to connect to (proxy/simulation.h).
    std::function<void(Worker&, FetchOrder&)> fetcher;
};

} // namespace gatehouse::proxy
