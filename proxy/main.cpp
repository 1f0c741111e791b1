// The program: arguments, configuration, signals, and the server between them.
#include "config/config.h"
#include "proxy/clock.h"
#include "proxy/command_line.h"
#include "proxy/diagnostic_log.h"
#include "proxy/server.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

namespace {

using namespace gatehouse;

// Every connection needs a descriptor, and the soft limit is often 1024.
void raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) {
            spdlog::warn("the limit of open files stays at its soft value; raise it with LimitNOFILE or ulimit -n");
        }
    }
}

// As it was written, but for a port that the system chose.
std::string listening_at(const config::Address& address, std::uint16_t port) {
    if (address.kind == config::Address::Kind::Unix || address.port != 0) {
        return address.text;
    }
    return address.text.substr(0, address.text.rfind(':') + 1) + std::to_string(port);
}

// Changes whenever a file is written or replaced.
struct FileState {
    std::int64_t seconds = 0;
    std::int64_t nanoseconds = 0;
    std::int64_t size = -1; // there is none
    std::uint64_t inode = 0;
    bool operator==(const FileState&) const = default;
};

FileState state_of(const std::string& file) {
    struct stat info {};
    if (::stat(file.c_str(), &info) != 0) {
        return {};
    }
    return {info.st_mtim.tv_sec, info.st_mtim.tv_nsec, info.st_size, info.st_ino};
}

// The files of the configuration that was read last, as they were before they were read. Looked at by the thread of
// signals, set where configurations are loaded.
class WatchedFiles {
public:
    using States = std::map<std::string, FileState>;

    // `load` says which files it read. What changes while it reads is a change after it.
    config::LoadResult load(const std::function<config::LoadResult()>& load) {
        const States before = now();
        config::LoadResult loaded = load();
        States states;
        for (const std::string& file : loaded.files) {
            const auto known = before.find(file);
            states[file] = known == before.end() ? state_of(file) : known->second;
        }
        const std::lock_guard lock(mutex_);
        states_ = std::move(states);
        return loaded;
    }
    States get() const {
        const std::lock_guard lock(mutex_);
        return states_;
    }
    States now() const {
        States states = get();
        for (auto& [file, state] : states) {
            state = state_of(file);
        }
        return states;
    }

private:
    mutable std::mutex mutex_;
    States states_;
};

// Waits for one of the signals, or, where files are watched, for a change of one of them: then 0.
int wait_for_signal(const sigset_t& signals, const WatchedFiles* watched) {
    int signal = 0;
    if (watched == nullptr) {
        sigwait(&signals, &signal);
        return signal;
    }
    constexpr timespec kLook{1, 0};
    constexpr int kLooksForMissing = 3;
    for (int missing = 0;;) {
        signal = ::sigtimedwait(&signals, nullptr, &kLook);
        if (signal > 0) {
            return signal;
        }
        const WatchedFiles::States now = watched->now();
        if (now == watched->get()) {
            continue;
        }
        // One that is gone is being replaced, most of the time.
        const bool is_whole = std::none_of(now.begin(), now.end(), [](const auto& one) { return one.second.size < 0; });
        if (is_whole || ++missing >= kLooksForMissing) {
            return 0;
        }
    }
}

int run(const proxy::CommandLine& command) {
    WatchedFiles watched;
    config::LoadResult loaded = watched.load([&command] { return proxy::load_to_reload(command); });
    const std::shared_ptr<const config::Config> config = proxy::take_to_run(std::move(loaded), std::cerr);
    if (!config) {
        return proxy::kExitFailed;
    }
    // Blocked before any thread starts, so that only this one takes them.
    sigset_t signals;
    sigemptyset(&signals);
    for (const int signal : {SIGTERM, SIGINT, SIGHUP}) {
        sigaddset(&signals, signal);
    }
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    std::signal(SIGPIPE, SIG_IGN);

    const proxy::SystemClock clock;
    proxy::Server::Options options;
    options.config = config;
    options.clock = &clock;
    options.load = [&] { return watched.load([&command] { return proxy::load_to_reload(command); }); };
    proxy::Server server(options);
    const http::Status started = server.start();
    if (!started) {
        std::fprintf(stderr, "gatehouse: %s\n", started.error().detail.c_str());
        return proxy::kExitFailed;
    }
    for (std::size_t i = 0; i < config->listeners.size(); ++i) {
        spdlog::info("listening: address={}", listening_at(config->listeners[i].address, server.port(i)));
    }
    if (config->admin.address) {
        spdlog::info("admin listening: address={}", listening_at(*config->admin.address, server.admin_port()));
    }
    for (;;) {
        const int signal = wait_for_signal(signals, command.watch ? &watched : nullptr);
        if (signal == SIGHUP || signal == 0) {
            static_cast<void>(server.reload()); // what came of it is in the log
            if (signal == SIGHUP) {
                server.reopen_logs();
                spdlog::info("access log opened again");
            }
            continue;
        }
        spdlog::info("stopping: signal={} advice=\"running requests may finish within shutdown_timeout\"", signal);
        static_cast<void>(server.stop()); // one that had to cut connections off is still the stop asked for
        return proxy::kExitOk;
    }
}

} // namespace

int main(int argc, char** argv) {
    proxy::start_diagnostic_log();
    const proxy::CommandLine command = proxy::parse_command_line(argc, argv);
    if (command.command != proxy::CommandLine::Command::Run) {
        return proxy::run_command(command, std::cout, std::cerr);
    }
    raise_descriptor_limit();
    return run(command);
}
