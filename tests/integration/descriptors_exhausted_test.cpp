// Running out of descriptors is survived: clients wait in the backlog, those who are in are served.
#include "tests/support/proxy_under_test.h"

#include <doctest/doctest.h>
#include <spdlog/spdlog.h>

#include <vector>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

using namespace gatehouse::testing;
using namespace std::chrono_literals;

namespace {

// Takes every descriptor that is left, and gives them back.
class Hoard {
public:
    Hoard() {
        // UBSan opens a pipe when it meets a kind of object for the first time: the log's is met before there is none.
        spdlog::error("descriptors are about to run out");
        rlimit limit{};
        ::getrlimit(RLIMIT_NOFILE, &limit);
        before_ = limit;
        // A low limit keeps this short: a little above the highest descriptor in use.
        const int probe = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
        limit.rlim_cur = static_cast<rlim_t>(probe) + 64;
        ::close(probe);
        ::setrlimit(RLIMIT_NOFILE, &limit);
        take();
    }
    ~Hoard() { release(); }
    Hoard(const Hoard&) = delete;
    Hoard& operator=(const Hoard&) = delete;
    void take() {
        for (int fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC); fd >= 0;
             fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC)) {
            taken_.push_back(fd);
        }
    }
    void give_back_one() {
        ::close(taken_.back());
        taken_.pop_back();
    }
    void release() {
        for (const int fd : taken_) {
            ::close(fd);
        }
        taken_.clear();
        ::setrlimit(RLIMIT_NOFILE, &before_);
    }

private:
    std::vector<int> taken_;
    rlimit before_{};
};

} // namespace

TEST_CASE("no descriptors left: those who are in are served, the others when descriptors are there again") {
    ScriptedOrigin origin;
    origin.otherwise([](OriginExchange& x) { x.ok("max-age=60", x.target()); });
    Yaml yaml;
    yaml.workers = "1";
    ProxyUnderTest proxy(origin, yaml);
    RawClient inside(proxy.port());
    inside.get("/hit");
    CHECK(inside.read().content == "/hit");
    {
        Hoard hoard;
        hoard.give_back_one(); // the client's own end; the proxy finds none for its own
        RawClient waiting(proxy.port());
        waiting.get("/hit");
        proxy.await_metric("gatehouse_accept_failures_total", 1);
        CHECK(waiting.is_quiet());
        inside.get("/hit");
        CHECK(inside.read().get("X-Cache") == "Hit from gatehouse");
        CHECK(proxy.metric("gatehouse_accept_failures_total") < 5); // it does not spin

        hoard.release();
        ProxyUnderTest::await(
            [&] {
                proxy.advance(200ms);
                return !waiting.is_quiet();
            },
            "the client in the backlog is served");
        CHECK(waiting.read().content == "/hit");
    }
    CHECK(proxy.get("/other").content == "/other");
    CHECK(origin.requests() == 2);
}

TEST_CASE("no descriptor for a connection to the origin: an error for that request, not the end") {
    ScriptedOrigin origin;
    origin.otherwise([](OriginExchange& x) {
        // Else the proxy might keep its end until after the last descriptor was taken, and give it back then.
        x.reply(200, "Cache-Control: no-store\r\nConnection: close\r\n", x.target());
        x.close();
    });
    Yaml yaml;
    yaml.workers = "1";
    ProxyUnderTest proxy(origin, yaml);
    RawClient inside(proxy.port());
    inside.get("/first");
    CHECK(inside.read().content == "/first");
    origin.await_connections_at_most(0);
    proxy.server().advance();
    {
        Hoard hoard;
        inside.get("/second");
        const Response response = inside.read();
        CHECK(response.status >= 500);
        CHECK(response.status <= 504);
    }
    inside.get("/third");
    CHECK(inside.read().content == "/third");
}
