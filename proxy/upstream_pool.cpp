// Idle connections of one core by origin, and the count of all connections of the process.
#include "proxy/upstream_pool.h"

#include "proxy/connector.h"
#include "proxy/diagnostic_log.h"
#include "proxy/tls_context.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

namespace gatehouse::proxy {

using http::Error;
using http::ErrorKind;

// Counts by origin, and the TLS contexts, which are shared for the same reason: they belong to no core.
class ConnectionTotals {
public:
    using Count = std::atomic<unsigned>;

    // The count of everything that connects to the same place in the same way.
    std::shared_ptr<Count> count_for(const std::string& key) {
        const std::scoped_lock lock(mutex_);
        std::erase_if(counts_, [](const auto& entry) { return entry.second.expired(); });
        std::weak_ptr<Count>& known = counts_[key];
        std::shared_ptr<Count> count = known.lock();
        if (!count) {
            count = std::make_shared<Count>(0U);
            known = count;
        }
        return count;
    }
    TlsContexts& tls() noexcept { return tls_; }

private:
    std::mutex mutex_;
    std::map<std::string, std::weak_ptr<Count>> counts_;
    TlsContexts tls_;
};

namespace {

// One connection's place under max_connections, from the first attempt to its end.
class Slot {
public:
    Slot() = default;
    Slot(Slot&& other) noexcept : count_(std::move(other.count_)) {}
    Slot& operator=(Slot&& other) noexcept {
        std::swap(count_, other.count_);
        return *this;
    }
    ~Slot() {
        if (count_) {
            count_->fetch_sub(1, std::memory_order_relaxed);
        }
    }
    Slot(const Slot&) = delete;
    Slot& operator=(const Slot&) = delete;

    static Slot take(const std::shared_ptr<ConnectionTotals::Count>& count, unsigned limit) {
        Slot slot;
        unsigned taken = count->load(std::memory_order_relaxed);
        while (taken < limit) {
            if (count->compare_exchange_weak(taken, taken + 1, std::memory_order_relaxed)) {
                slot.count_ = count;
                break;
            }
        }
        return slot;
    }
    explicit operator bool() const noexcept { return count_ != nullptr; }

private:
    std::shared_ptr<ConnectionTotals::Count> count_;
};

struct Group;
using ConnectionPtr = std::shared_ptr<OriginConnection>;
using GroupPtr = std::shared_ptr<Group>;

} // namespace

// An open connection, leased or idle. While it is idle it is told when something arrives.
struct OriginConnection final : StreamReader {
    explicit OriginConnection(Core& on_core)
        : core(on_core), idle_deadline(core.wheel(), &OriginConnection::on_idle_deadline, this) {}
    static void on_idle_deadline(void* self);
    void on_readable() noexcept override;
    void set_idle(http::Duration timeout) {
        idle_since_turn = core.turn_number();
        stream->set_reader(this);
        idle_deadline.arm(timeout);
    }
    void set_busy() noexcept {
        stream->set_reader(nullptr);
        idle_deadline.disarm();
    }
    void close() noexcept {
        stream->close();
        slot = Slot(); // at once, whoever still holds it
    }

    // The poller was asked since it became idle, and has told of nothing.
    bool is_known_quiet() const noexcept { return core.turn_number() != idle_since_turn && !stream->may_read(); }

    Core& core;
    std::unique_ptr<Stream> stream;
    asio::ip::address address;
    Slot slot;
    std::weak_ptr<Group> group;
    std::uint64_t idle_since_turn = 0;
    Deadline idle_deadline;
};

namespace {

// The connections of one core that lead to the same place in the same way. Two configurations of an origin share a
// group only if they agree in all of this, so that a reload never reuses a connection to somewhere else.
struct Group {
    explicit Group(Resolver& names) : resolver(names) {}
    bool serves(const config::Origin& origin) const {
        return url == origin.url && tls.verify == origin.tls_options.verify &&
               tls.ca_file == origin.tls_options.ca_file && tls.server_name == origin.tls_options.server_name;
    }
    // Takes a connection out of the idle ones. Returns it, so that it lives until the caller is done.
    ConnectionPtr take_out(const OriginConnection& connection);
    // An idle one that still leads to one of these addresses. `may_retry`: of UpstreamPool::take_idle().
    ConnectionPtr take_idle(const std::shared_ptr<const Addresses>& addresses, bool may_retry);
    // Keeps a connection for the next exchange, or closes it.
    void give_back(const ConnectionPtr& connection);
    void close_all();

    Resolver& resolver;
    std::string url;
    config::OriginTls tls;
    std::string host;
    unsigned max_idle = 0;
    bool closed = false; // the pool has stopped
    http::Duration idle_timeout{0};
    std::shared_ptr<ConnectionTotals::Count> count;
    std::shared_ptr<TlsSessionSlot> session = std::make_shared<TlsSessionSlot>();
    std::shared_ptr<const Addresses> latest; // of the name, when a connection was last asked for
    std::vector<ConnectionPtr> idle; // the one that was given back last is at the end
    std::size_t next_start = 0;      // the address to try first
};

ConnectionPtr Group::take_out(const OriginConnection& connection) {
    // From the end: that is where one is taken from.
    const auto found =
        std::find_if(idle.rbegin(), idle.rend(), [&](const ConnectionPtr& each) { return each.get() == &connection; });
    if (found == idle.rend()) {
        return nullptr;
    }
    ConnectionPtr taken = std::move(*found);
    idle.erase(std::next(found).base());
    taken->set_busy();
    return taken;
}

ConnectionPtr Group::take_idle(const std::shared_ptr<const Addresses>& addresses, bool may_retry) {
    latest = addresses;
    while (!idle.empty()) {
        ConnectionPtr connection = take_out(*idle.back());
        const bool is_quiet = (may_retry && connection->is_known_quiet()) || connection->stream->is_quiet();
        if (addresses->contains(connection->address) && is_quiet) {
            return connection;
        }
        connection->close();
    }
    return nullptr;
}

void Group::close_all() {
    for (ConnectionPtr& connection : std::exchange(idle, {})) {
        connection->set_busy();
        connection->close();
    }
}

void close_idle_connection(OriginConnection& connection) {
    const GroupPtr group = connection.group.lock();
    const ConnectionPtr hold = group ? group->take_out(connection) : nullptr;
    if (hold) {
        hold->close();
    }
}

void Group::give_back(const ConnectionPtr& connection) {
    if (closed || max_idle == 0 || (connection->stream->may_read() && !connection->stream->is_quiet())) {
        connection->close();
        return;
    }
    if (latest->outdated.load(std::memory_order_acquire)) {
        const auto others = resolver.peek(host);
        latest = others ? others : latest;
    }
    if (!latest->contains(connection->address)) {
        connection->close(); // the origin has moved
        return;
    }
    if (idle.size() >= max_idle) {
        take_out(*idle.front())->close();
    }
    connection->set_idle(idle_timeout);
    idle.push_back(connection);
}

} // namespace

void OriginConnection::on_idle_deadline(void* self) { close_idle_connection(*static_cast<OriginConnection*>(self)); }

// It ends as soon as the origin closes it or sends what nobody asked for.
void OriginConnection::on_readable() noexcept {
    if (!stream->is_quiet()) {
        close_idle_connection(*this);
    }
}

struct UpstreamPool::Impl {
    Impl(Core& on_core, Resolver& names, std::shared_ptr<ConnectionTotals> shared)
        : core(on_core), resolver(names), totals(std::move(shared)), start(on_core.index()) {}

    GroupPtr group_for(const config::Origin& origin);
    std::optional<Lease> lease_idle(Group& group, const std::shared_ptr<const Addresses>& addresses, bool may_retry);
    Slot take_slot(Group& group, unsigned limit);
    void close_idle();
    static awaitable<http::Result<Lease>> acquire(std::shared_ptr<Impl> impl, const config::Origin& origin, bool fresh);

    Core& core;
    Resolver& resolver;
    std::shared_ptr<ConnectionTotals> totals;
    std::size_t start; // each core begins with another address
    // By origin name. More than one for a name only while a reload is recent.
    std::map<std::string, std::vector<GroupPtr>, std::less<>> groups;
    OpeningSockets opening;
    bool closed = false;
};

GroupPtr UpstreamPool::Impl::group_for(const config::Origin& origin) {
    std::vector<GroupPtr>& same_name = groups[origin.name];
    for (const GroupPtr& group : same_name) {
        if (group->serves(origin)) {
            group->max_idle = origin.max_idle_connections;
            group->idle_timeout = origin.idle_timeout;
            return group;
        }
    }
    // Groups of an earlier configuration go once they have no idle connection; those on loan are closed when they come
    // back.
    std::erase_if(same_name, [](const GroupPtr& group) { return group->idle.empty() && group.use_count() == 1; });
    auto group = std::make_shared<Group>(resolver);
    group->url = origin.url;
    group->tls = origin.tls_options;
    group->host = origin.host;
    group->max_idle = origin.max_idle_connections;
    group->idle_timeout = origin.idle_timeout;
    group->next_start = start;
    const std::string key = origin.name + '\n' + origin.url + '\n' + (group->tls.verify ? "verify" : "trust") + '\n' +
                            group->tls.ca_file + '\n' + group->tls.server_name;
    group->count = totals->count_for(key);
    same_name.push_back(group);
    return group;
}

std::optional<Lease> UpstreamPool::Impl::lease_idle(Group& group, const std::shared_ptr<const Addresses>& addresses,
                                                    bool may_retry) {
    ConnectionPtr idle = group.take_idle(addresses, may_retry);
    if (!idle) {
        return std::nullopt;
    }
    core.metrics().origin_reuses.add();
    return Lease(std::move(idle), true);
}

Slot UpstreamPool::Impl::take_slot(Group& group, unsigned limit) {
    Slot slot = Slot::take(group.count, limit);
    // An idle connection of this core gives way, the one that was idle longest first.
    while (!slot && !group.idle.empty()) {
        group.take_out(*group.idle.front())->close();
        slot = Slot::take(group.count, limit);
    }
    return slot;
}

void UpstreamPool::Impl::close_idle() {
    for (auto& [name, same_name] : groups) {
        for (const GroupPtr& group : same_name) {
            group->close_all();
        }
    }
}

Lease::~Lease() {
    if (connection_) {
        connection_->close();
    }
}

Stream& Lease::stream() const noexcept { return *connection_->stream; }

void Lease::give_back() {
    const ConnectionPtr connection = std::exchange(connection_, nullptr);
    if (!connection) {
        return;
    }
    if (const GroupPtr group = connection->group.lock()) {
        group->give_back(connection);
    } else {
        connection->close(); // its configuration has gone
    }
}

UpstreamPool::UpstreamPool(Core& core, Resolver& resolver, std::shared_ptr<ConnectionTotals> totals)
    : impl_(std::make_shared<Impl>(core, resolver, std::move(totals))) {}

UpstreamPool::~UpstreamPool() { stop(); }

std::shared_ptr<ConnectionTotals> UpstreamPool::make_totals() { return std::make_shared<ConnectionTotals>(); }

void UpstreamPool::close_idle() { impl_->close_idle(); }

void UpstreamPool::stop() {
    impl_->closed = true;
    for (const auto& [name, same_name] : impl_->groups) {
        for (const GroupPtr& group : same_name) {
            group->closed = true;
        }
    }
    impl_->close_idle();
    impl_->opening.stop();
}

std::size_t UpstreamPool::idle() const noexcept {
    std::size_t count = 0;
    for (const auto& [name, same_name] : impl_->groups) {
        for (const GroupPtr& group : same_name) {
            count += group->idle.size();
        }
    }
    return count;
}

std::optional<Lease> UpstreamPool::take_idle(const config::Origin& origin, bool may_retry) {
    const auto addresses = impl_->closed ? nullptr : impl_->resolver.known(origin.host);
    return addresses ? impl_->lease_idle(*impl_->group_for(origin), addresses, may_retry) : std::nullopt;
}

awaitable<http::Result<Lease>> UpstreamPool::acquire(const config::Origin& origin, bool fresh) {
    return Impl::acquire(impl_, origin, fresh); // it runs later, and perhaps longer than this pool
}

awaitable<http::Result<Lease>> UpstreamPool::Impl::acquire(std::shared_ptr<Impl> impl, const config::Origin& origin,
                                                           bool fresh) {
    const auto stopping = [] { return Error(ErrorKind::OriginUnavailable, "the proxy is stopping"); };
    if (impl->closed) {
        co_return stopping();
    }
    const http::SteadyTime began = impl->core.clock().steady_now();
    const http::Duration limit = origin.timeouts.connect;
    auto addresses = co_await impl->resolver.resolve(impl->core, origin.host, limit);
    if (!addresses) {
        co_return addresses.take_error();
    }
    if (impl->closed) {
        co_return stopping();
    }
    const GroupPtr group = impl->group_for(origin);
    group->latest = *addresses;
    if (!fresh) {
        if (std::optional<Lease> idle = impl->lease_idle(*group, *addresses, false)) {
            co_return *std::move(idle);
        }
    }
    Slot slot = impl->take_slot(*group, origin.max_connections);
    if (!slot) {
        co_return Error(ErrorKind::OriginUnavailable,
                        "max_connections (" + std::to_string(origin.max_connections) + ") of the origin is reached");
    }
    ConnectPlan plan;
    plan.origin = &origin;
    plan.addresses = connect_order((*addresses)->list, group->next_start++);
    plan.session = group->session;
    plan.opening = &impl->opening;
    if (limit > http::Duration::zero()) {
        const auto spent = std::chrono::duration_cast<http::Duration>(impl->core.clock().steady_now() - began);
        plan.timeout = std::max(limit - spent, http::Duration(1));
    }
    if (origin.tls) {
        auto tls = impl->totals->tls().get(origin.tls_options);
        if (!tls) {
            co_return tls.take_error();
        }
        plan.tls = std::move(tls).value();
    }
    auto connected = co_await connect_to_origin(impl->core, std::move(plan));
    if (!connected) {
        co_return connected.take_error();
    }
    if (impl->closed) {
        co_return stopping();
    }
    impl->core.metrics().origin_connects.add();
    auto connection = std::make_shared<OriginConnection>(impl->core);
    connection->stream = std::move(connected->stream);
    connection->address = connected->address;
    connection->slot = std::move(slot);
    connection->group = group;
    co_return Lease(std::move(connection), false);
}

} // namespace gatehouse::proxy
