#include "tests/support/gatehouse_process.h"

#include "tests/support/gates.h"
#include "tests/support/proxy_under_test.h"
#include "tests/support/raw_client.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

#include <unistd.h>

namespace gatehouse::testing {

namespace {

std::vector<std::string> command_line(std::vector<std::string> launcher, const std::string& configuration) {
    for (const std::string& argument : {GatehouseProcess::binary(), std::string("run"), configuration}) {
        launcher.push_back(argument);
    }
    return launcher;
}

// The port behind "<name>: address=127.0.0.1:" in the log; 0 when it is not there yet.
std::uint16_t port_in(const std::string& log, const std::string& name) {
    const std::string mark = " " + name + ": address=127.0.0.1:";
    const auto at = log.find(mark);
    if (at == std::string::npos || log.find('\n', at) == std::string::npos) {
        return 0;
    }
    return static_cast<std::uint16_t>(std::strtoul(log.c_str() + at + mark.size(), nullptr, 10));
}

} // namespace

std::string GatehouseProcess::binary() {
    const std::string path = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "gatehouse";
    if (!std::filesystem::exists(path)) {
        throw HarnessError(path + " is not there; build the target gatehouse of the same preset");
    }
    return path;
}

GatehouseProcess::GatehouseProcess(std::vector<std::string> launcher, std::string_view yaml)
    : child_(command_line(std::move(launcher), directory_.write("gatehouse.yaml", yaml)), directory_.path("log")) {
    const auto listens = [this] {
        const std::string log = child_.log();
        port_ = port_in(log, "listening");
        admin_port_ = port_in(log, "admin listening");
        if (!child_.is_running()) {
            throw HarnessError("gatehouse did not start: " + log);
        }
        return port_ != 0 && admin_port_ != 0;
    };
    ProxyUnderTest::await(listens, "gatehouse starts");
}

std::size_t GatehouseProcess::resident_bytes() const {
    std::ifstream file("/proc/" + std::to_string(child_.process()) + "/statm");
    std::size_t size = 0;
    std::size_t resident = 0;
    file >> size >> resident;
    return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

std::size_t GatehouseProcess::descriptors() const {
    const std::filesystem::directory_iterator each("/proc/" + std::to_string(child_.process()) + "/fd");
    return static_cast<std::size_t>(std::distance(each, std::filesystem::directory_iterator()));
}

Response GatehouseProcess::ask_admin(std::string_view request) const {
    RawClient client(admin_port_);
    client.send(request);
    return client.read();
}

std::string GatehouseProcess::metrics() const {
    return ask_admin("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").content;
}

Response GatehouseProcess::ready() const { return ask_admin("GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n"); }

Response GatehouseProcess::purge(std::string_view json) const {
    std::string request = "POST /purge HTTP/1.1\r\nHost: localhost\r\nContent-Length: ";
    request.append(std::to_string(json.size())).append("\r\n\r\n").append(json);
    return ask_admin(request);
}

} // namespace gatehouse::testing
