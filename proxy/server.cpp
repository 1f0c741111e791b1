// Composition: what is made, in which order it starts, and in which order it ends.
#include "proxy/server.h"

#include "config/address.h"
#include "proxy/admin.h"
#include "proxy/explain_live.h"
#include "proxy/listener.h"
#include "proxy/purge.h"
#include "proxy/reload.h"
#include "proxy/session.h"
#include "proxy/spawn.h"
#include "proxy/stores.h"
#include "proxy/worker.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <condition_variable>
#include <fstream>
#include <functional>
#include <future>
#include <mutex>
#include <optional>
#include <thread>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

namespace gatehouse::proxy {

using http::Error;
using http::ErrorKind;

namespace {

// CPUs this process may use: its affinity mask, bounded by the cgroup's quota (cpu.max: "<quota> <period>").
unsigned granted_cpus() {
    cpu_set_t set;
    CPU_ZERO(&set);
    unsigned cpus = std::max(1U, std::thread::hardware_concurrency());
    if (::sched_getaffinity(0, sizeof set, &set) == 0) {
        cpus = std::max(1, CPU_COUNT(&set));
    }
    std::ifstream quota_file("/sys/fs/cgroup/cpu.max");
    double quota = 0;
    double period = 0;
    if (quota_file >> quota >> period && quota > 0 && period > 0) {
        cpus = std::min(cpus, std::max(1U, static_cast<unsigned>(quota / period + 0.5)));
    }
    return cpus;
}

// A core with what it runs. Members end in the reverse of the order they are listed in.
struct WorkerCore {
    WorkerCore(unsigned index, const Clock& clock, std::size_t behaviors, Resolver& resolver,
               const std::shared_ptr<ConnectionTotals>& totals, cache::HttpCache& cache, AccessLog& log,
               ConnectionCount& connections, const std::shared_ptr<const TrustedProxies>& trusted,
               std::shared_ptr<const config::Config> config)
        : core(std::make_unique<Core>(index, clock, behaviors)),
          pool(std::make_unique<UpstreamPool>(*core, resolver, totals)),
          worker(std::make_unique<Worker>(*core, cache, *pool, log, connections, trusted, std::move(config))) {}
    std::unique_ptr<Core> core;
    std::unique_ptr<UpstreamPool> pool;
    std::unique_ptr<Worker> worker;
};

} // namespace

struct Server::Impl final : cache::CorePoster {
    explicit Impl(const Options& options);

    void post(unsigned core, std::function<void()> job) override { workers[core]->core->post(std::move(job)); }
    unsigned cores() const noexcept override { return worker_count; }

    std::vector<Core*> all_cores();
    void accepted(int descriptor);
    static void adopt(Worker& worker, int descriptor);
    http::Status open_listeners();
    http::Status start_admin();
    AdminHandlers admin_handlers();
    ReadinessCheck disk_check() const;
    std::string metrics_text() const;
    void spawn_threads();
    void on_core(Core& core, std::function<void()> job);
    bool wait_until_quiet();
    void stop_all();
    bool quiet();

    ReloadOutcome reload();
    ReloadOutcome apply(std::shared_ptr<const config::Config> next);
    bool is_own_port(const config::Address& wanted) const;
    http::Status open_new_listeners(const config::Config& next, std::vector<std::unique_ptr<Listener>>& opened);
    void change_listeners(const config::Config& next, std::vector<std::unique_ptr<Listener>> opened);

    std::shared_ptr<const config::Config> config; // on the control core, once the threads run
    std::shared_ptr<const config::Config> started_with; // what needs a restart is still as it says
    std::uint64_t generation = 1;
    const Clock& clock;
    bool manual_time;
    unsigned worker_count;
    std::function<config::LoadResult()> load;
    ConnectionCount connections;
    AccessLog log;
    cache::store::disk::PosixFiles files;
    Stores stores;
    cache::HttpCache cache;
    std::unique_ptr<Core> control; // admin, names, no client traffic
    std::unique_ptr<Resolver> resolver;
    std::shared_ptr<ConnectionTotals> totals;
    std::vector<std::unique_ptr<WorkerCore>> workers;
    std::vector<std::unique_ptr<Listener>> listeners;
    std::unique_ptr<AdminServer> admin;
    std::vector<std::thread> threads;
    std::atomic<bool> ready{false};
    bool running = false;
};

namespace {
std::vector<std::string> behavior_names(const config::Config& config) {
    std::vector<std::string> names;
    for (const config::Behavior& behavior : config.behaviors) {
        names.push_back(behavior.path_pattern);
    }
    return names;
}

// However each is written; those that let the system choose a port are told apart by their text.
bool is_same_endpoint(const config::Address& a, const config::Address& b) {
    const std::string key = config::endpoint_key(a);
    return key.empty() ? a.text == b.text : key == config::endpoint_key(b);
}
} // namespace

Server::Impl::Impl(const Options& options)
    : config(options.config),
      started_with(options.config),
      clock(*options.clock),
      manual_time(options.manual_time),
      worker_count(config->workers != 0 ? config->workers : granted_cpus()),
      load(options.load),
      log(config->access_log, worker_count),
      stores(open_stores(config->cache, files, clock)),
      cache(*stores.store, *this,
            cache::HttpCache::Options{config->timeouts.uncacheable_memory, config->limits.waiters_per_fetch},
            std::move(stores.purges), stores.largest_sequence),
      control(std::make_unique<Core>(worker_count, clock, config->behaviors.size())),
      resolver(std::make_unique<Resolver>(*control, config->dns)),
      totals(UpstreamPool::make_totals()) {
    const auto trusted = std::make_shared<const TrustedProxies>(config->trusted_proxies);
    for (unsigned i = 0; i < worker_count; ++i) {
        workers.push_back(std::make_unique<WorkerCore>(i, clock, config->behaviors.size(), *resolver, totals, cache,
                                                       log, connections, trusted, config));
    }
    const std::vector<std::string> names = behavior_names(*config);
    for (Core* core : all_cores()) {
        core->metrics().set_behaviors(names);
    }
    if (stores.tiered != nullptr) {
        stores.tiered->log().set_is_dead([this](std::string_view key, std::string_view head, std::uint64_t sequence) {
            return cache.is_dead(key, head, sequence);
        });
        stores.tiered->writer().set_owes([this](bool owes) { cache.set_believed_at_next_start(!owes); });
    }
}

std::vector<Core*> Server::Impl::all_cores() {
    std::vector<Core*> cores{control.get()};
    for (const auto& each : workers) {
        cores.push_back(each->core.get());
    }
    return cores;
}

// On the first worker's core: connections never migrate, so the choice is made once, for the core with the fewest.
void Server::Impl::accepted(int descriptor) {
    if (connections.total.load(std::memory_order_relaxed) >= workers[0]->worker->config->limits.connections) {
        workers[0]->core->metrics().connections_refused.add();
        ::close(descriptor);
        return;
    }
    WorkerCore* chosen = workers[0].get();
    for (const auto& each : workers) {
        if (each->worker->sessions.load(std::memory_order_relaxed) <
            chosen->worker->sessions.load(std::memory_order_relaxed)) {
            chosen = each.get();
        }
    }
    Worker& worker = *chosen->worker;
    // Counted at once, so that a burst is spread before its first session has begun.
    worker.sessions.fetch_add(1, std::memory_order_relaxed);
    connections.total.fetch_add(1, std::memory_order_relaxed);
    if (chosen == workers[0].get()) {
        adopt(worker, descriptor);
    } else {
        worker.core.post([&worker, descriptor] { adopt(worker, descriptor); });
    }
}

void Server::Impl::adopt(Worker& worker, int descriptor) {
    const int on = 1;
    ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); // no effect on Unix sockets
    auto stream = PlainStream::adopt(worker.core, descriptor);
    if (!stream) {
        ::close(descriptor);
        worker.sessions.fetch_sub(1, std::memory_order_relaxed);
        worker.connections.total.fetch_sub(1, std::memory_order_relaxed);
        return;
    }
    Session::start(worker, std::move(stream));
}

http::Status Server::Impl::open_listeners() {
    for (const auto& each : config->listeners) {
        auto listener = std::make_unique<Listener>(*workers[0]->core, each.address, config->limits.unsent_bytes,
                                                   [this](int descriptor) { accepted(descriptor); });
        http::Status opened = listener->open();
        if (opened) {
            opened = listener->start();
        }
        if (!opened) {
            return opened.error();
        }
        listeners.push_back(std::move(listener));
    }
    return http::success();
}

AdminHandlers Server::Impl::admin_handlers() {
    AdminHandlers handlers;
    handlers.readiness = [this] {
        ReadinessCheck serving;
        serving.name = "serving";
        serving.ok = ready.load(std::memory_order_acquire);
        serving.detail = serving.ok ? "" : "starting or stopping";
        Readiness checks{serving};
        if (!config->cache.disk.path.empty()) {
            checks.push_back(disk_check());
        }
        return checks;
    };
    handlers.metrics_text = [this] { return metrics_text(); };
    handlers.purge = [this](const PurgeRequest& request) {
        control->metrics().purges.add();
        return purge(cache, *config, request); // on the control core: no client waits for it
    };
    handlers.reload = [this] { return reload(); };
    handlers.explain = [this](const config::TestRequest& request) {
        const LiveState state{config, generation, cache, control->turn_wall()};
        return explain_live(state, request);
    };
    return handlers;
}

// A disk that cannot be used is told of, but takes nobody out of service: requests are answered without it.
ReadinessCheck Server::Impl::disk_check() const {
    ReadinessCheck check;
    check.name = "disk";
    check.ok = true;
    if (stores.tiered == nullptr) {
        check.detail = stores.trouble.empty() ? "not in use before a restart" : stores.trouble;
    } else if (stores.tiered->writer().is_failing()) {
        check.detail = "cannot be written at present; see the log";
    }
    return check;
}

http::Status Server::Impl::start_admin() {
    if (!config->admin.address) {
        return http::success();
    }
    AdminOptions options;
    options.address = *config->admin.address;
    options.allowed_hosts = config->admin.allowed_hosts;
    admin = std::make_unique<AdminServer>(*control, options, admin_handlers());
    return admin->start();
}

std::string Server::Impl::metrics_text() const {
    std::vector<const CoreMetrics*> metrics{&control->metrics()};
    for (const auto& each : workers) {
        metrics.push_back(&each->core->metrics());
    }
    const std::vector<std::string> names = behavior_names(*config);
    const ProcessMetrics process{log.lost(), escaped_exceptions()};
    std::optional<cache::store::DiskStats> disk;
    if (stores.tiered != nullptr) {
        disk = stores.tiered->disk_stats();
    }
    return render_metrics(metrics, names, stores.store->stats(), disk, generation, process);
}

// On the control core.
ReloadOutcome Server::Impl::reload() {
    ReloadOutcome outcome;
    outcome.generation = generation;
    if (!load || !ready.load(std::memory_order_acquire)) {
        outcome.problems.emplace_back(load ? "gatehouse is stopping" : "this server has no file to load from");
        return outcome;
    }
    config::LoadResult loaded = load();
    if (loaded.config == nullptr) {
        for (const config::Problem& problem : loaded.problems) {
            outcome.problems.push_back(problem.to_string());
            spdlog::error(
                "configuration not reloaded: {} advice=\"the one in use stays; `gatehouse check` says the same\"",
                problem.summary());
        }
        return outcome;
    }
    return apply(std::move(loaded.config));
}

// All that can fail comes first. Then each core changes by itself: a request follows one configuration from its
// beginning to its end.
ReloadOutcome Server::Impl::apply(std::shared_ptr<const config::Config> next) {
    ReloadOutcome outcome;
    outcome.generation = generation;
    std::vector<std::unique_ptr<Listener>> opened;
    const http::Status listening = open_new_listeners(*next, opened);
    if (!listening) {
        outcome.problems.push_back(listening.error().detail);
        spdlog::error("configuration not reloaded: {} advice=\"the one in use stays\"", listening.error().detail);
        return outcome;
    }
    const auto trusted = std::make_shared<const TrustedProxies>(next->trusted_proxies);
    const std::vector<std::string> names = behavior_names(*next);
    for (const auto& each : workers) {
        on_core(*each->core, [&] {
            each->worker->config = Worker::for_this_core(next);
            each->worker->trusted = trusted;
            each->core->metrics().set_behaviors(names);
        });
    }
    control->metrics().set_behaviors(names);
    on_core(*workers[0]->core, [&] { change_listeners(*next, std::move(opened)); });
    outcome.needs_restart = fields_that_need_a_restart(*started_with, *next);
    if (stores.tiered != nullptr) {
        follow(*stores.tiered, started_with->cache.disk, next->cache.disk);
    }
    config = std::move(next);
    outcome.generation = ++generation;
    outcome.applied = true;
    spdlog::info("configuration reloaded: generation={} listeners={} behaviors={}", generation, listeners.size(),
                 names.size());
    for (const std::string& field : outcome.needs_restart) {
        spdlog::warn(
            "configuration reloaded but for one field: field={} advice=\"it takes effect when gatehouse is started "
            "again\"",
            field);
    }
    return outcome;
}

bool Server::Impl::is_own_port(const config::Address& wanted) const {
    return std::any_of(listeners.begin(), listeners.end(), [&wanted](const auto& listener) {
        const config::Address& own = listener->address();
        return own.kind == config::Address::Kind::Tcp && wanted.kind == own.kind && wanted.port != 0 &&
               own.port == wanted.port;
    });
}

http::Status Server::Impl::open_new_listeners(const config::Config& next,
                                              std::vector<std::unique_ptr<Listener>>& opened) {
    for (const config::Listener& wanted : next.listeners) {
        const bool is_open = std::any_of(listeners.begin(), listeners.end(), [&wanted](const auto& listener) {
            return is_same_endpoint(listener->address(), wanted.address);
        });
        if (is_open) {
            continue;
        }
        auto listener = std::make_unique<Listener>(*workers[0]->core, wanted.address, next.limits.unsent_bytes,
                                                   [this](int descriptor) { accepted(descriptor); });
        http::Status status = listener->open();
        if (!status && is_own_port(wanted.address)) {
            return Error(ErrorKind::Internal, "cannot listen on " + wanted.address.text +
                                                  ": gatehouse itself listens on this port of an address that overlaps; "
                                                  "that change needs a restart");
        }
        if (!status) {
            return status;
        }
        opened.push_back(std::move(listener));
    }
    return http::success();
}

// On the listeners' core.
void Server::Impl::change_listeners(const config::Config& next, std::vector<std::unique_ptr<Listener>> opened) {
    for (const auto& listener : opened) {
        if (const http::Status started = listener->start(); !started) {
            spdlog::error("no connections are accepted: {}", started.error().detail);
        }
    }
    std::vector<std::unique_ptr<Listener>> kept;
    for (const config::Listener& wanted : next.listeners) {
        for (auto* list : {&listeners, &opened}) {
            const auto found = std::find_if(list->begin(), list->end(), [&wanted](const auto& listener) {
                return listener && is_same_endpoint(listener->address(), wanted.address);
            });
            if (found != list->end()) {
                kept.push_back(std::move(*found));
                break;
            }
        }
    }
    for (const auto& listener : listeners) {
        if (listener) {
            listener->drain_and_stop();
        }
    }
    listeners = std::move(kept);
}

void Server::Impl::spawn_threads() {
    threads.emplace_back([this] { control->run_asio(!manual_time); });
    for (const auto& each : workers) {
        threads.emplace_back([this, core = each->core.get()] { core->run(!manual_time); });
    }
}

// Runs a job on a core's thread and waits for it.
void Server::Impl::on_core(Core& core, std::function<void()> job) {
    std::promise<void> done;
    core.post([&] {
        job();
        done.set_value();
    });
    done.get_future().wait();
}

bool Server::Impl::quiet() {
    std::size_t busy = 0;
    for (const auto& each : workers) {
        on_core(*each->core, [&] { busy += each->worker->registry.size() + each->worker->fetches.size(); });
    }
    return busy == 0;
}

// Looks at every core in turn until nothing runs or shutdown_timeout is over. Each look is a round trip through the
// loops, so they are never kept busy by it; a condition with a deadline paces the looks.
bool Server::Impl::wait_until_quiet() {
    constexpr auto kPace = std::chrono::milliseconds(5);
    std::mutex mutex;
    std::condition_variable pace;
    http::Duration limit{};
    on_core(*control, [&] { limit = config->timeouts.shutdown; });
    const auto rounds = limit / kPace + 1;
    for (std::int64_t round = 0; round < rounds; ++round) {
        if (quiet()) {
            return true;
        }
        std::unique_lock lock(mutex);
        pace.wait_for(lock, kPace, [] { return false; });
    }
    return quiet();
}

void Server::Impl::stop_all() {
    on_core(*workers[0]->core, [this] {
        for (const auto& listener : listeners) {
            listener->stop();
        }
    });
    for (const auto& each : workers) {
        on_core(*each->core, [&] {
            each->worker->registry.stop_all();
            each->pool->close_idle();
        });
    }
}

Server::Server(const Options& options) : impl_(std::make_unique<Impl>(options)) {}

Server::~Server() {
    if (impl_->running) {
        stop();
    }
}

http::Status Server::start() {
    if (!impl_->log.open_error().empty()) {
        return Error(ErrorKind::Internal, impl_->log.open_error());
    }
    if (impl_->stores.refused) {
        return *impl_->stores.refused;
    }
    const http::Status opened = impl_->open_listeners();
    if (!opened) {
        return opened.error();
    }
    const http::Status admin = impl_->start_admin();
    if (!admin) {
        return admin.error();
    }
    if (impl_->stores.tiered != nullptr) {
        impl_->stores.tiered->start();
    }
    impl_->spawn_threads();
    impl_->running = true;
    impl_->ready.store(true, std::memory_order_release);
    return http::success();
}

bool Server::stop() {
    Impl& impl = *impl_;
    if (!impl.running) {
        return true;
    }
    impl.running = false;
    impl.ready.store(false, std::memory_order_release);
    impl.stop_all();
    const bool finished = impl.wait_until_quiet();
    if (!finished) {
        spdlog::warn("shutdown_timeout is over: connections that are still open are closed");
        for (const auto& each : impl.workers) {
            impl.on_core(*each->core, [&] {
                each->worker->registry.close_all();
                each->worker->fetches.break_off_all();
            });
        }
    }
    impl.on_core(*impl.control, [&impl] {
        if (impl.admin) {
            impl.admin->stop();
        }
        impl.resolver->stop();
    });
    for (const auto& each : impl.workers) {
        impl.on_core(*each->core, [&] { each->pool->stop(); });
    }
    if (impl.stores.tiered != nullptr) {
        impl.stores.tiered->stop(); // what it reads wakes the loops
    }
    // Each loop ends when its last coroutine has.
    for (Core* core : impl.all_cores()) {
        impl.on_core(*core, [core] { core->finish(); });
    }
    for (std::thread& thread : impl.threads) {
        thread.join();
    }
    impl.threads.clear();
    return finished;
}

std::uint16_t Server::port(std::size_t listener) const { return impl_->listeners.at(listener)->port(); }
std::uint16_t Server::admin_port() const { return impl_->admin ? impl_->admin->port() : std::uint16_t{0}; }

void Server::advance() {
    for (Core* core : impl_->all_cores()) {
        impl_->on_core(*core, [core] { core->advance(); });
    }
}

std::string Server::metrics_text() const { return impl_->metrics_text(); }
cache::HttpCache& Server::cache() noexcept { return impl_->cache; }
cache::store::StoreStats Server::store_stats() const { return impl_->stores.store->stats(); }
ReloadOutcome Server::reload() {
    ReloadOutcome outcome;
    impl_->on_core(*impl_->control, [&] { outcome = impl_->reload(); });
    return outcome;
}
void Server::reopen_logs() { impl_->log.reopen(); }

} // namespace gatehouse::proxy
