// unbound and unbound-control.
#include "tests/support/dns_server.h"

#include "tests/support/gates.h"

#include <chrono>
#include <cstdlib>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace gatehouse::testing {

namespace {

// A port of this kind of socket bound to 127.0.0.1, 0: any; -1 where it is taken. Closed again at once.
int try_port(int kind, std::uint16_t port) {
    const int descriptor = ::socket(AF_INET, kind | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    void* raw = &address;
    const bool bound = descriptor >= 0 && ::bind(descriptor, static_cast<sockaddr*>(raw), size) == 0 &&
                       ::getsockname(descriptor, static_cast<sockaddr*>(raw), &size) == 0;
    if (descriptor >= 0) {
        ::close(descriptor);
    }
    return bound ? ntohs(address.sin_port) : -1;
}

// A port that was free a moment ago, for UDP and for TCP; somebody may be faster, so starting is tried again.
std::uint16_t free_port() {
    constexpr int kTries = 100;
    for (int i = 0; i < kTries; ++i) {
        const int port = try_port(SOCK_DGRAM, 0);
        if (port > 0 && try_port(SOCK_STREAM, static_cast<std::uint16_t>(port)) == port) {
            return static_cast<std::uint16_t>(port);
        }
    }
    throw HarnessError("no port is free for UDP and TCP");
}

std::string configuration(const std::string& directory, std::uint16_t port, const std::string& control) {
    const std::string number = std::to_string(port);
    return "server:\n"
           "  interface: 127.0.0.1@" +
           number +
           "\n"
           "  port: " +
           number +
           "\n"
           "  do-ip6: no\n"
           "  num-threads: 1\n"
           "  username: \"\"\n"
           "  chroot: \"\"\n"
           "  directory: \"" +
           directory +
           "\"\n"
           "  pidfile: \"\"\n"
           "  use-syslog: no\n"
           "  logfile: \"\"\n"
           "  do-daemonize: no\n"
           "  do-not-query-localhost: yes\n" // so that the forwarder below cannot be asked

           "  access-control: 127.0.0.0/8 allow\n"
           "  local-zone: \"test.\" static\n"
           "  local-zone: \"broken.\" static\n"
           "forward-zone:\n"
           "  name: \"broken.\"\n"
           "  forward-addr: 127.0.0.1@1\n"
           "remote-control:\n"
           "  control-enable: yes\n"
           "  control-interface: \"" +
           control +
           "\"\n"
           "  control-use-cert: no\n";
}

} // namespace

DnsServer::DnsServer() {
    constexpr int kTries = 5;
    for (int i = 0; i < kTries; ++i) {
        if (start()) {
            return;
        }
    }
    throw HarnessError("unbound does not start: " + (process_ ? process_->log() : std::string()));
}

bool DnsServer::start() {
    port_ = free_port();
    const std::string directory = directory_.path("");
    file_ = directory_.write("unbound.conf", configuration(directory, port_, directory_.path("control")));
    process_.emplace(std::vector<std::string>{"unbound", "-d", "-c", file_}, directory_.path("log"));
    const auto until = std::chrono::steady_clock::now() + kSafetyTime;
    while (process_->is_running() && std::chrono::steady_clock::now() < until) {
        if (program_succeeds({"unbound-control", "-c", file_, "status"})) {
            return true;
        }
    }
    return false;
}

void DnsServer::control(std::vector<std::string> words) {
    std::vector<std::string> arguments{"unbound-control", "-c", file_};
    arguments.insert(arguments.end(), std::make_move_iterator(words.begin()), std::make_move_iterator(words.end()));
    run_program(arguments);
}

void DnsServer::add(const std::string& record) { control({"local_data", record}); }
void DnsServer::remove(const std::string& name) { control({"local_data_remove", name}); }
void DnsServer::answer(const std::string& zone, const std::string& type) { control({"local_zone", zone, type}); }
void DnsServer::forget_zone(const std::string& zone) { control({"local_zone_remove", zone}); }

std::uint64_t DnsServer::questions() {
    const std::string statistics = run_program({"unbound-control", "-c", file_, "stats_noreset"});
    static constexpr std::string_view kName = "total.num.queries=";
    const auto at = statistics.find(kName);
    if (at == std::string::npos) {
        throw HarnessError("unbound counts no queries");
    }
    return std::strtoull(statistics.c_str() + at + kName.size(), nullptr, 10);
}

} // namespace gatehouse::testing
