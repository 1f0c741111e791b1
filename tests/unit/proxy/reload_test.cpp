// What of a configuration takes effect only with the next start.
#include "proxy/reload.h"

#include "config/loader.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace gatehouse;

namespace {

std::shared_ptr<const config::Config> with(const std::string& fields) {
    const auto loaded = config::load_text("listeners: [{address: '127.0.0.1:0'}]\norigins: {a: {url: 'http://h'}}\n"
                                          "behaviors: [{path_pattern: '*', origin: a}]\n" +
                                              fields + "\n",
                                          "r.yaml");
    REQUIRE(loaded.config != nullptr);
    return loaded.config;
}

} // namespace

TEST_CASE("a reload tells each field that needs a restart, and no other") {
    struct Row {
        const char* fields;
        std::vector<std::string> needs_restart;
    };
    const Row rows[] = {
        {"", {}},
        {"trusted_proxies: [10.0.0.0/8]", {}},
        {"limits: {head_size: 1MiB}", {}},
        {"timeouts: {idle: 1s}", {}},
        {"workers: 1", {"workers"}},
        {"admin: {address: '127.0.0.1:1'}", {"admin.address"}},
        {"cache: {memory: {size: 32MiB}}", {"cache.memory"}},
        {"dns: {timeout: 1s}", {"dns"}},
        {"access_log: off", {"access_log"}},
        {"limits: {unsent_size: 64KiB, waiters_per_fetch: 1}", {"limits.unsent_size", "limits.waiters_per_fetch"}},
        {"timeouts: {uncacheable_memory: 1s}", {"timeouts.uncacheable_memory"}},
    };
    const auto base = with("");
    for (const Row& row : rows) {
        CAPTURE(row.fields);
        CHECK(proxy::fields_that_need_a_restart(*base, *with(row.fields)) == row.needs_restart);
    }
}
