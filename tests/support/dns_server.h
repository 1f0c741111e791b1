// A real DNS server (unbound) on a free loopback port, whose records a test changes while it runs.
#pragma once

#include "tests/support/child_process.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace gatehouse::testing {

class DnsServer {
public:
    // It answers for "test." (NXDOMAIN for what has no record) and SERVFAIL for "broken.".
    DnsServer();

    std::string address() const { return "127.0.0.1:" + std::to_string(port_); } // for dns.servers
    // Adds a record: "origin.test. 5 IN A 127.0.0.1".
    void add(const std::string& record);
    // Removes all records of a name.
    void remove(const std::string& name);
    // How it answers for a zone: "refuse" (REFUSED), "deny" (no answer at all), "static" (records, or NXDOMAIN),
    // "always_nxdomain".
    void answer(const std::string& zone, const std::string& type);
    // Takes a zone away, so that a name within "broken." is looked for elsewhere, in vain: SERVFAIL.
    void forget_zone(const std::string& zone);
    // Questions so far; a name costs two, A and AAAA.
    std::uint64_t questions();
    void stop() { process_.reset(); }

private:
    bool start();
    void control(std::vector<std::string> words);

    ScratchDirectory directory_;
    std::uint16_t port_ = 0;
    std::string file_;
    std::optional<ChildProcess> process_;
};

} // namespace gatehouse::testing
