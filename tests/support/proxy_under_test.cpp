#include "tests/support/proxy_under_test.h"

#include "config/loader.h"
#include "proxy/spawn.h"

#include <doctest/doctest.h>
#include <spdlog/spdlog.h>

#include <condition_variable>
#include <cstdlib>
#include <mutex>

namespace gatehouse::testing {

namespace {

void add_mapping(std::string& text, std::string_view name, std::string_view fields) {
    if (!fields.empty()) {
        text.append(name).append(": {").append(fields).append("}\n");
    }
}

std::string replaced(std::string text, std::string_view what, std::string_view by) {
    for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size())) {
        text.replace(at, what.size(), by);
    }
    return text;
}

// The diagnostic log says what scenarios provoke; it is shown only to somebody who looks for a fault.
void silence_log() {
    static const bool kShown = std::getenv("GATEHOUSE_TEST_LOG") != nullptr;
    spdlog::set_level(kShown ? spdlog::level::debug : spdlog::level::off);
}

} // namespace

std::string Yaml::text(std::uint16_t origin_port) const {
    const std::string url = scheme + "://" + host + ":" + std::to_string(origin_port);
    std::string text = "listeners: " + listeners + "\nadmin: {address: '127.0.0.1:0'}\nworkers: " + workers + "\n";
    text += "access_log: " + access_log + "\n";
    text += "cache: {memory: {" + memory + "}" + (disk.empty() ? "" : ", disk: {" + disk + "}") + "}\n";
    text += "origins: {api: {url: '" + url + path + "'" + (origin.empty() ? "" : ", " + origin) + "}}\n";
    add_mapping(text, "cache_policies", policies);
    text += "behaviors: " + behaviors + "\n";
    add_mapping(text, "limits", limits);
    add_mapping(text, "timeouts", "shutdown: " + shutdown + (timeouts.empty() ? "" : ", " + timeouts));
    text += extra;
    return replaced(text, "${origin}", url);
}

ProxyUnderTest::ProxyUnderTest(std::uint16_t origin_port, const Yaml& yaml)
    : escaped_before_(proxy::escaped_exceptions()), origin_port_(origin_port), next_(yaml.text(origin_port)) {
    silence_log();
    const auto loaded = config::load_text(yaml.text(origin_port), "scenario.yaml");
    std::string problems;
    for (const auto& problem : loaded.problems) {
        problems += problem.to_string() + "\n";
    }
    if (!loaded.config) {
        throw HarnessError("the scenario's configuration is wrong:\n" + problems);
    }
    proxy::Server::Options options;
    options.config = loaded.config;
    options.clock = &clock_;
    options.manual_time = true;
    options.load = [this] {
        const std::lock_guard lock(next_mutex_);
        return config::load_text(next_, "scenario.yaml");
    };
    server_ = std::make_unique<proxy::Server>(options);
    const http::Status started = server_->start();
    if (!started) {
        throw HarnessError("the proxy did not start: " + started.error().detail);
    }
}

ProxyUnderTest::~ProxyUnderTest() {
    stop();
    CHECK_MESSAGE(proxy::escaped_exceptions() == escaped_before_, "an exception escaped from the proxy's coroutines");
}

bool ProxyUnderTest::stop() {
    stopped_ = true;
    return server_->stop();
}

Response ProxyUnderTest::ask(std::string_view request, bool head_request) const {
    RawClient client(port());
    client.send(request);
    return client.read(head_request);
}

Response ProxyUnderTest::get(std::string_view target, std::string_view fields) const {
    RawClient client(port());
    client.get(target, fields);
    return client.read();
}

Response ProxyUnderTest::head(std::string_view target, std::string_view fields) const {
    std::string request = "HEAD ";
    request.append(target).append(" HTTP/1.1\r\nHost: gate.test\r\n").append(fields).append("\r\n");
    return ask(request, true);
}

Response ProxyUnderTest::purge(std::string_view json) const {
    RawClient client(admin_port());
    std::string request = "POST /purge HTTP/1.1\r\nHost: localhost\r\nContent-Length: ";
    request.append(std::to_string(json.size())).append("\r\n\r\n").append(json);
    client.send(request);
    return client.read();
}

Response ProxyUnderTest::reload() const {
    RawClient client(admin_port());
    client.send("POST /config/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
    return client.read();
}

void ProxyUnderTest::advance(http::Duration by) {
    server_->advance(); // a round trip through every core: what had begun is done
    clock_.move(by);
    server_->advance();
}

double ProxyUnderTest::metric(std::string_view name, std::string_view label) const {
    if (!stopped_) {
        server_->advance(); // a round trip through every core: a request is counted just after its bytes were sent
    }
    return sum_of_metric(server_->metrics_text(), name, label);
}

double sum_of_metric(std::string_view text, std::string_view name, std::string_view label) {
    double sum = 0;
    std::size_t at = 0;
    while (at < text.size()) {
        const std::size_t end = std::min(text.find('\n', at), text.size());
        const std::string_view line = text.substr(at, end - at);
        at = end + 1;
        const std::size_t name_end = line.find_first_of("{ ");
        if (line.starts_with('#') || line.substr(0, name_end) != name) {
            continue;
        }
        const std::size_t value_at = line.rfind(' ');
        if (!label.empty() && line.substr(0, value_at).find(label) == std::string_view::npos) {
            continue;
        }
        sum += std::strtod(std::string(line.substr(value_at + 1)).c_str(), nullptr);
    }
    return sum;
}

std::size_t ProxyUnderTest::received() const {
    return static_cast<std::size_t>(metric("gatehouse_received_bytes_total"));
}

void ProxyUnderTest::await_received(std::size_t bytes) const {
    await([&] { return received() >= bytes; }, "the proxy takes the requests");
    server_->advance(); // a round trip through every core
}

void ProxyUnderTest::await(const std::function<bool()>& condition, std::string_view what) {
    constexpr auto kPace = std::chrono::milliseconds(2);
    std::mutex mutex;
    std::condition_variable pace;
    const auto end = std::chrono::steady_clock::now() + kSafetyTime;
    std::unique_lock lock(mutex);
    while (!condition()) {
        if (std::chrono::steady_clock::now() > end) {
            throw HarnessError("waited in vain: " + std::string(what));
        }
        pace.wait_for(lock, kPace, [] { return false; });
    }
}

void ProxyUnderTest::await_metric(std::string_view name, double value, std::string_view label) const {
    await([&] { return metric(name, label) >= value; }, name);
}

} // namespace gatehouse::testing
