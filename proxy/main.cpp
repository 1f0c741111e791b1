// The program: arguments, configuration, signals, and the server between them.
#include "config/config.h"
#include "proxy/clock.h"
#include "proxy/command_line.h"
#include "proxy/diagnostic_log.h"
#include "proxy/server.h"

#include <spdlog/spdlog.h>

#include <csignal>
#include <cstdio>
#include <iostream>
#include <memory>
#include <string>

#include <malloc.h>
#include <sys/resource.h>

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

// Blocks come and go in sizes up to 256 KiB. Fixed thresholds keep freed ones from staying with the process, and two
// arenas keep cores from each hoarding their own.
void tune_allocator() {
    ::mallopt(M_MMAP_THRESHOLD, 128 * 1024);
    ::mallopt(M_TRIM_THRESHOLD, 256 * 1024);
    ::mallopt(M_ARENA_MAX, 2);
}

// As it was written, but for a port that the system chose.
std::string listening_at(const config::Address& address, std::uint16_t port) {
    if (address.kind == config::Address::Kind::Unix || address.port != 0) {
        return address.text;
    }
    return address.text.substr(0, address.text.rfind(':') + 1) + std::to_string(port);
}

int run(const std::string& file) {
    const std::shared_ptr<const config::Config> config = proxy::load_to_run(file, std::cerr);
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
        int signal = 0;
        sigwait(&signals, &signal);
        if (signal == SIGHUP) {
            server.reopen_logs();
            spdlog::info("access log opened again");
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
    tune_allocator();
    const proxy::CommandLine command = proxy::parse_command_line(argc, argv);
    if (command.command != proxy::CommandLine::Command::Run) {
        return proxy::run_command(command, std::cout, std::cerr);
    }
    raise_descriptor_limit();
    return run(command.file);
}
