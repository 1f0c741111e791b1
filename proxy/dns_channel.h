// Questions to DNS servers: c-ares on a core's loop. It remembers nothing; Resolver does.
//
// c-ares opens the sockets and reads them; Asio says when they are ready, and the deadline wheel when a server has
// been silent for too long. On one core's thread only.
#pragma once

#include "config/config.h"
#include "http/time.h"
#include "proxy/core.h"

#include <boost/asio/ip/address.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace gatehouse::proxy {

struct DnsAnswer {
    enum class Outcome : unsigned char {
        Found,
        NoSuchName,    // NXDOMAIN
        NoAddress,     // the name exists, without A and AAAA
        ServerFailure, // SERVFAIL and answers that make no sense
        Refused,       // REFUSED, NOTIMP
        TimedOut,
        NoServer, // none can be reached, or of several none was of use (SERVFAIL, REFUSED)
        Cancelled,
    };
    Outcome outcome = Outcome::ServerFailure;
    std::vector<asio::ip::address> addresses; // Found: not empty, none twice, in the order of the answer
    http::Duration ttl{0};                    // Found: the smallest of all records the answer consists of
};

class DnsChannel {
public:
    using Done = std::function<void(DnsAnswer)>;

    DnsChannel(Core& home, const config::Dns& options);
    ~DnsChannel();
    DnsChannel(const DnsChannel&) = delete;
    DnsChannel& operator=(const DnsChannel&) = delete;

    // Asks for A and AAAA, /etc/hosts first. `done` is called exactly once, perhaps before ask() returns.
    void ask(const std::string& host, Done done);
    // How long ask() takes at most: dns.timeout for each attempt.
    http::Duration longest() const noexcept;
    // The servers did not answer: when nothing is being asked any more the system's configuration is read again,
    // because it may name other servers now.
    void doubt_servers() noexcept;
    // Every question that is open is answered with Cancelled, and so is every later one. Idempotent.
    void stop();

private:
    struct State;
    std::shared_ptr<State> state_;
};

// "192.0.2.53", "192.0.2.53:5353", "2001:db8::53", "[2001:db8::53]:53" as c-ares reads them: with brackets and ports,
// separated by commas.
std::string dns_server_list(const std::vector<std::string>& servers);

} // namespace gatehouse::proxy
