// The program itself, beside the test: what it holds is asked of the kernel.
#pragma once

#include "tests/support/child_process.h"
#include "tests/support/message_reader.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gatehouse::testing {

class GatehouseProcess {
public:
    // Starts the binary that was built beside this test program, and waits until it listens. The configuration has its
    // listener and admin listener at 127.0.0.1:0.
    explicit GatehouseProcess(std::string_view yaml) : GatehouseProcess({}, yaml) {}
    // The launcher is a program and its arguments, with which the binary's command line is run: {"setpriv", ...}.
    GatehouseProcess(std::vector<std::string> launcher, std::string_view yaml);

    // The path of that binary.
    static std::string binary();

    std::uint16_t port() const noexcept { return port_; }
    std::uint16_t admin_port() const noexcept { return admin_port_; }
    pid_t process() const noexcept { return child_.process(); }
    std::size_t resident_bytes() const;
    std::size_t descriptors() const;
    std::string metrics() const; // the text of /metrics
    Response ready() const;      // of /readyz
    Response purge(std::string_view json) const;
    std::string log() const { return child_.log(); }
    // Ends it by SIGTERM. Its exit status.
    int stop() { return child_.end(); }
    // As a crash does it.
    void kill() { child_.kill(); }

private:
    Response ask_admin(std::string_view request) const;

    ScratchDirectory directory_;
    ChildProcess child_;
    std::uint16_t port_ = 0;
    std::uint16_t admin_port_ = 0;
};

} // namespace gatehouse::testing
