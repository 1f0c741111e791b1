// The whole proxy in this process, with a clock that the test moves and a configuration written for the scenario.
#pragma once

#include "proxy/server.h"
#include "tests/support/manual_clock.h"
#include "tests/support/raw_client.h"
#include "tests/support/scripted_origin.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace gatehouse::testing {

// The parts of a configuration that scenarios change; each is YAML. `${origin}` stands for the origin's URL.
struct Yaml {
    std::string listeners = "[{address: '127.0.0.1:0'}]";
    std::string origin; // fields of the origin "api" beside url: "first_byte_timeout: 2s"
    std::string scheme = "http";
    std::string host = "127.0.0.1"; // of the origin's URL
    std::string path;               // put behind the origin's URL: "/prod"
    std::string policies;           // "own: {default_ttl: 60s}"
    std::string behaviors = "[{path_pattern: '*', origin: api}]";
    std::string memory = "size: 64MiB";
    std::string disk;     // "path: /tmp/x, size: 64MiB"; empty: there is none
    std::string limits;   // "head_size: 2KiB"
    std::string timeouts; // "header: 5s"
    std::string shutdown = "10s";
    std::string extra; // whole lines at the top
    std::string workers = "2";
    std::string access_log = "off";

    std::string text(std::uint16_t origin_port) const;
};

// The sum of all samples of a metric whose labels contain `label`, in the text of /metrics.
double sum_of_metric(std::string_view text, std::string_view name, std::string_view label = {});

class ProxyUnderTest {
public:
    explicit ProxyUnderTest(std::uint16_t origin_port, const Yaml& yaml = {});
    explicit ProxyUnderTest(const ScriptedOrigin& origin, const Yaml& yaml = {})
        : ProxyUnderTest(origin.port(), yaml) {}
    ~ProxyUnderTest(); // reports exceptions that escaped as a failed check
    ProxyUnderTest(const ProxyUnderTest&) = delete;
    ProxyUnderTest& operator=(const ProxyUnderTest&) = delete;

    std::uint16_t port(std::size_t listener = 0) const { return server_->port(listener); }
    std::uint16_t admin_port() const { return server_->admin_port(); }
    proxy::Server& server() noexcept { return *server_; }

    // One request on a connection of its own.
    Response get(std::string_view target, std::string_view fields = {}) const;
    Response head(std::string_view target, std::string_view fields = {}) const;
    // A whole request as it stands; one response, and the connection is closed by the client.
    Response ask(std::string_view request, bool head_request = false) const;
    // POST /purge on the admin listener with this JSON.
    Response purge(std::string_view json) const;

    // What the next reload finds in place of the configuration's file.
    void rewrite(const Yaml& yaml) {
        const std::lock_guard lock(next_mutex_);
        next_ = yaml.text(origin_port_);
    }
    // POST /config/reload on the admin listener.
    Response reload() const;

    // Moves the clock and fires what became due. What the proxy had begun before is done first: deadlines that belong
    // to it are armed.
    void advance(http::Duration by);

    // The sum of all samples of a metric whose labels contain `label`.
    double metric(std::string_view name, std::string_view label = {}) const;
    // Waits until a metric has at least this value.
    void await_metric(std::string_view name, double value, std::string_view label = {}) const;
    // Bytes of requests that the proxy has taken so far.
    std::size_t received() const;
    // Waits until it has taken this many in all, and has done with them whatever needs no waiting: clients that can
    // only wait for a fetch do wait for it.
    void await_received(std::size_t bytes) const;
    // Waits until `condition` holds; looks again every few milliseconds.
    static void await(const std::function<bool()>& condition, std::string_view what);
    // Stops as SIGTERM does. True: all had finished.
    bool stop();

private:
    unsigned long escaped_before_;
    std::uint16_t origin_port_;
    std::mutex next_mutex_;
    std::string next_; // read by the control core
    ManualClock clock_;
    std::unique_ptr<proxy::Server> server_;
    bool stopped_ = false;
};

} // namespace gatehouse::testing
