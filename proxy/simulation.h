// The proxy without sockets: requests go through the very code that serves clients, the origin is a value, and time
// moves when it is told to. What `gatehouse test` and `gatehouse explain` look at.
#pragma once

#include "cache/policy/cache_status.h"
#include "config/config.h"
#include "http/message.h"
#include "http/result.h"
#include "proxy/exchange_record.h"

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace gatehouse::proxy {

struct SimulatedRequest {
    http::RequestHead head; // with its Host
    bool over_https = false;
    std::string content;
};

// Where requests seem to come from.
inline constexpr std::string_view kSimulatedClient = "127.0.0.1";

// What the origin does when it is asked.
struct SimulatedOrigin {
    http::ResponseHead head; // Date is added where it is not there
    std::string content;
    std::optional<http::ErrorKind> error; // instead of a response
    http::Duration delay{0};              // until then; the clock moves on meanwhile
};

struct SimulatedOutcome {
    ExchangeFacts record; // behavior, statuses, reasons
    bool at_once = false;  // without waiting for anything
    bool routed = false;   // `behavior` is one of the configuration
    std::size_t behavior = 0;
    std::string key; // as Cache-Status shows it
    std::optional<http::RequestHead>
        asked; // what the origin was sent, the last time it was asked for the request's URL
    std::optional<http::RequestHead> page_asked; // the same of an error page
    std::string page;                            // the error page that was looked for, as error_pages has it
    bool cookie_unkeyed = false;                 // with a Cookie that the key does not have
    http::ResponseHead response;                 // what the client gets
    std::string content;
};

class Simulation {
public:
    // LIMIT: of the content of an origin's answer: it is taken in one piece.
    static constexpr std::size_t kMaxContentBytes = 256 * 1024;

    explicit Simulation(std::shared_ptr<const config::Config> config);
    ~Simulation();
    Simulation(const Simulation&) = delete;
    Simulation& operator=(const Simulation&) = delete;

    http::WallTime now() const noexcept;
    void advance(http::Duration by);
    // What is answered when an error page is asked for, by path and query.
    using Pages = std::map<std::string, SimulatedOrigin>;
    // One request of one client, to its end. BadRequest when an origin's content is too large. A page that is not among
    // `pages` is answered as everything else.
    http::Result<SimulatedOutcome> ask(SimulatedRequest request, const SimulatedOrigin& origin,
                                       const Pages& pages = {});

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace gatehouse::proxy
