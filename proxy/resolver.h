// Origin names to addresses, asked again as their TTL says (c-ares), shared by all cores.
//
// Runs on one core's io_context; the answers are immutable snapshots any core reads without a lock held across a wait.
// A name is kept fresh in the background from its first use on: it is asked again when its TTL (bounded by
// dns.min_ttl and dns.max_ttl) ends, and the last good answer is used for dns.stale while the resolver fails.
#pragma once

#include "config/config.h"
#include "http/result.h"
#include "proxy/awaitable.h"
#include "proxy/core.h"

#include <boost/asio/ip/tcp.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace gatehouse::proxy {

struct Addresses {
    std::vector<asio::ip::address> list; // never empty
    std::uint64_t version = 0;           // grows when the set changes: pooled connections to others are drained
    // The name has others now, or none. For whoever keeps this and need not ask again meanwhile.
    mutable std::atomic<bool> outdated{false};
    bool contains(const asio::ip::address& address) const noexcept;
};

class Resolver {
public:
    // `home`: the core whose loop drives the queries. Must outlive the resolver.
    Resolver(Core& home, const config::Dns& options);
    ~Resolver();
    Resolver(const Resolver&) = delete;
    Resolver& operator=(const Resolver&) = delete;

    // LIMIT: names remembered at once; past it the one that was used longest ago is forgotten.
    static constexpr std::size_t kMaxNames = 1024;

    // The current addresses of `host` (an IP literal answers itself). Waits only when nothing is known yet, or when the
    // name was not used for so long that it was not kept fresh; at most dns.timeout times the attempts, and at most
    // `timeout` when that is not zero. From a coroutine on any core; resumes on the caller's executor (`caller`).
    // DnsError: the name does not exist or has no address; DnsTimeout: no answer.
    awaitable<http::Result<std::shared_ptr<const Addresses>>> resolve(Core& caller, std::string host,
                                                                      http::Duration timeout = http::Duration(0));
    // The same where nothing has to be waited for; null where it has, and where there is no address.
    std::shared_ptr<const Addresses> known(const std::string& host);
    // What was known last, without waiting and without counting as a use; null when nothing is. Any thread.
    std::shared_ptr<const Addresses> peek(const std::string& host) const;
    // Cancels queries and wakes all who wait; on the home thread, before its loop ends. Idempotent.
    void stop();

private:
    struct State;
    std::shared_ptr<State> state_;
};

} // namespace gatehouse::proxy
