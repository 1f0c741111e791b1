// Counting and its exposition: every series from the start, sums over cores, and the documentation in step.
#include "proxy/metrics.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

using namespace gatehouse;
using namespace gatehouse::proxy;
using cache::policy::Forwarded;
using cache::policy::Reason;

namespace {

// Series ("name{labels}") to value. Fails the test on anything that is not the text format.
std::map<std::string, std::string> parse_exposition(const std::string& text) {
    std::map<std::string, std::string> series;
    std::set<std::string> described;
    std::istringstream lines(text);
    std::string line;
    while (std::getline(lines, line)) {
        CAPTURE(line);
        if (line.starts_with("# HELP ")) {
            CHECK(described.insert(line.substr(7, line.find(' ', 7) - 7)).second);
            continue;
        }
        if (line.starts_with("# TYPE ")) {
            continue;
        }
        const auto space = line.rfind(' ');
        REQUIRE(space != std::string::npos);
        const std::string name = line.substr(0, space);
        CHECK(series.emplace(name, line.substr(space + 1)).second); // a scraper refuses a series that comes twice
        std::string family = name.substr(0, name.find('{'));
        if (!described.contains(family)) {
            family.resize(family.rfind('_')); // _sum and _count of a summary
        }
        CHECK(described.contains(family));
    }
    return series;
}

ExchangeRecord record_of(std::size_t behavior, int status) {
    ExchangeRecord record;
    record.routed = true;
    record.behavior = behavior;
    record.status = status;
    return record;
}

struct Fixture {
    CoreMetrics first{2};
    CoreMetrics second{2};
    std::vector<const CoreMetrics*> cores{&first, &second};
    std::vector<std::string> names{"/static/*", "*"};
    cache::store::StoreStats store;
    std::optional<cache::store::DiskStats> disk;
    ProcessMetrics process;

    std::map<std::string, std::string> render() {
        return parse_exposition(render_metrics(cores, names, store, disk, 3, process));
    }
};

} // namespace

TEST_CASE_FIXTURE(Fixture, "every series is there from the start") {
    auto series = render();
    for (std::size_t index = 1; index < cache::policy::kReasonCount; ++index) {
        const std::string reason(cache::policy::to_string(static_cast<Reason>(index)));
        CAPTURE(reason);
        CHECK(series["gatehouse_forward_reasons_total{reason=\"" + reason + "\"}"] == "0");
        CHECK(series["gatehouse_not_stored_total{reason=\"" + reason + "\"}"] == "0");
    }
    for (const std::string behavior : {"/static/*", "*", "(none)"}) {
        for (const std::string result : {"hit", "miss", "stale", "refresh_hit", "bypass", "error"}) {
            CHECK(series["gatehouse_requests_total{behavior=\"" + behavior + "\",result=\"" + result + "\"}"] == "0");
        }
        for (const std::string status : {"none", "1xx", "2xx", "3xx", "4xx", "5xx"}) {
            CHECK(series["gatehouse_responses_total{behavior=\"" + behavior + "\",class=\"" + status + "\"}"] == "0");
        }
    }
    CHECK(series["gatehouse_origin_errors_total{kind=\"connection_refused\"}"] == "0");
    CHECK_FALSE(series.contains("gatehouse_origin_errors_total{kind=\"bad_request\"}"));
    CHECK(series["gatehouse_build_info{version=\"" GATEHOUSE_VERSION "\"}"] == "1");
    CHECK(series["gatehouse_config_generation"] == "3");
    CHECK(series["gatehouse_loop_lag_seconds_sum"] == "0.000000");
    CHECK(series["gatehouse_loop_lag_seconds_count"] == "0");
}

TEST_CASE_FIXTURE(Fixture, "exchanges are counted by behavior, result, status and reasons, summed over cores") {
    first.count(record_of(0, 200));
    second.count(record_of(0, 204));
    ExchangeRecord miss = record_of(1, 404);
    miss.cache.forwarded = Forwarded::UriMiss;
    miss.cache.reason = Reason::UriMiss;
    miss.store_reason = Reason::SetCookie;
    second.count(miss);
    first.count(miss);
    // Counted by the fetch, which may serve many exchanges or none.
    first.stored.add();
    second.store_reasons[static_cast<std::size_t>(Reason::SetCookie)].add(2);
    auto series = render();
    CHECK(series[R"(gatehouse_requests_total{behavior="/static/*",result="hit"})"] == "2");
    CHECK(series[R"(gatehouse_requests_total{behavior="*",result="miss"})"] == "2");
    CHECK(series[R"(gatehouse_responses_total{behavior="/static/*",class="2xx"})"] == "2");
    CHECK(series[R"(gatehouse_responses_total{behavior="*",class="4xx"})"] == "2");
    CHECK(series[R"(gatehouse_forward_reasons_total{reason="uri_miss"})"] == "2");
    CHECK(series[R"(gatehouse_not_stored_total{reason="set_cookie"})"] == "2");
    CHECK(series["gatehouse_stored_total"] == "1");
}

TEST_CASE_FIXTURE(Fixture, "what was not routed is counted apart, and odd statuses do no harm") {
    ExchangeRecord bad;
    bad.error = http::ErrorKind::BadRequest;
    bad.status = 400;
    first.count(bad);
    ExchangeRecord gone;
    gone.error = http::ErrorKind::ClientClosed;
    first.count(gone);
    first.count(record_of(0, 999));
    first.count(record_of(0, -1));
    first.count(record_of(77, 200)); // of a configuration with more behaviors
    auto series = render();
    CHECK(series[R"_(gatehouse_requests_total{behavior="(none)",result="error"})_"] == "2");
    CHECK(series[R"_(gatehouse_requests_total{behavior="(none)",result="hit"})_"] == "1");
    CHECK(series[R"_(gatehouse_responses_total{behavior="(none)",class="4xx"})_"] == "1");
    CHECK(series[R"_(gatehouse_responses_total{behavior="(none)",class="none"})_"] == "1");
    CHECK(series[R"(gatehouse_responses_total{behavior="/static/*",class="5xx"})"] == "1");
    CHECK(series[R"(gatehouse_responses_total{behavior="/static/*",class="none"})"] == "1");
}

TEST_CASE_FIXTURE(Fixture, "labels are escaped and behaviors of one name are one series") {
    names = {"/a\"b\\c\nd", "/a\"b\\c\nd"};
    first.count(record_of(0, 200));
    first.count(record_of(1, 200));
    const auto series = render();
    CHECK(series.at(R"(gatehouse_requests_total{behavior="/a\"b\\c\nd",result="hit"})") == "2");
}

TEST_CASE_FIXTURE(Fixture, "store, process and origin numbers") {
    store.objects = 5;
    store.bytes_used = 1'000;
    store.bytes_limit = 2'000;
    store.evictions = 7;
    store.insertions = 12;
    process.access_log_lost = 4;
    first.origin_errors[static_cast<std::size_t>(http::ErrorKind::DnsTimeout)].add(2);
    second.origin_errors[static_cast<std::size_t>(http::ErrorKind::DnsTimeout)].add(1);
    first.connections_open.add(3);
    second.connections_open.add(2);
    second.connections_open.sub(1);
    first.access_log_dropped.add(9);
    auto series = render();
    CHECK(series["gatehouse_store_objects"] == "5");
    CHECK(series["gatehouse_store_bytes"] == "1000");
    CHECK(series["gatehouse_store_limit_bytes"] == "2000");
    CHECK(series["gatehouse_store_evictions_total"] == "7");
    CHECK(series["gatehouse_store_insertions_total"] == "12");
    CHECK(series["gatehouse_access_log_lost_total"] == "4");
    CHECK(series["gatehouse_access_log_dropped_total"] == "9");
    CHECK(series[R"(gatehouse_origin_errors_total{kind="dns_timeout"})"] == "3");
    CHECK(series["gatehouse_connections"] == "4");
}

TEST_CASE_FIXTURE(Fixture, "loop lag: sum, number, and the largest of the last one to two windows") {
    using std::chrono::microseconds;
    first.count_tick(microseconds(1'000'250));
    second.count_tick(microseconds(40));
    second.count_tick(microseconds(-5)); // early is not late
    auto series = render();
    CHECK(series["gatehouse_loop_lag_seconds_sum"] == "1.000290");
    CHECK(series["gatehouse_loop_lag_seconds_count"] == "3");
    CHECK(series["gatehouse_loop_lag_max_seconds"] == "1.000250");
    // To the end of its window and of the next one it is remembered, and no longer.
    for (std::uint64_t tick = 1; tick < 2 * CoreMetrics::kLagWindowTicks; ++tick) {
        CoreMetrics::on_lag(&first, microseconds(7));
    }
    CHECK(first.loop_lag_max_us.value() == 1'000'250);
    CoreMetrics::on_lag(&first, microseconds(7));
    CHECK(first.loop_lag_max_us.value() == 7);
}

TEST_CASE("without cores and behaviors there is still a valid text") {
    const auto series = parse_exposition(render_metrics({}, {}, {}, {}, 0));
    CHECK(series.contains(R"_(gatehouse_requests_total{behavior="(none)",result="hit"})_"));
}

TEST_CASE("docs/METRICS.md says what the table says") {
    const std::string path = GATEHOUSE_SOURCE_DIR "/docs/METRICS.md";
    if (std::getenv("GATEHOUSE_UPDATE_DOCS") != nullptr) {
        std::ofstream(path, std::ios::trunc) << describe_metrics();
    }
    std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();
    // On a difference: GATEHOUSE_UPDATE_DOCS=1 unit_tests -tc='docs/METRICS.md*'
    CHECK(text.str() == describe_metrics());
}

TEST_CASE("after a reload what was counted goes on under its name, and requests that began before find theirs") {
    CoreMetrics metrics(0);
    metrics.set_behaviors(std::vector<std::string>{"/a", "/b", "/gone"});
    const auto record = [](std::size_t behavior, const char* name) {
        ExchangeRecord made = record_of(behavior, 200);
        made.behavior_name = name;
        return made;
    };
    metrics.count(record(0, "/a"));
    metrics.count(record(1, "/b"));
    metrics.count(record(1, "/b"));
    metrics.count(record(2, "/gone"));
    const std::vector<std::string> names{"/new", "/b", "/a"};
    metrics.set_behaviors(names);
    for (int i = 0; i < 3; ++i) {          // what was found by its name is known by where that is
        metrics.count(record(0, "/a"));    // began before
        metrics.count(record(2, "/gone")); // has no name any more
        metrics.count(record(2, "/a"));
        metrics.count(record(0, "/new"));
    }
    const std::vector<const CoreMetrics*> cores{&metrics};
    auto series = parse_exposition(render_metrics(cores, names, {}, {}, 2, {}));
    CHECK(series["gatehouse_responses_total{behavior=\"/a\",class=\"2xx\"}"] == "7");
    CHECK(series["gatehouse_requests_total{behavior=\"/a\",result=\"hit\"}"] == "7");
    CHECK(series["gatehouse_responses_total{behavior=\"/b\",class=\"2xx\"}"] == "2");
    CHECK(series["gatehouse_responses_total{behavior=\"/new\",class=\"2xx\"}"] == "3");
    CHECK(series.count("gatehouse_responses_total{behavior=\"/gone\",class=\"2xx\"}") == 0);
}

TEST_CASE_FIXTURE(Fixture, "a disk store has metrics of its own, which are not there without one") {
    for (const auto& [name, value] : render()) {
        CHECK_MESSAGE(!name.starts_with("gatehouse_disk_"), name);
    }
    disk.emplace();
    disk->objects = 1;
    disk->read_at_once = 2;
    disk->read_by_readers = 3;
    disk->over_queue = 4;
    disk->too_large = 5;
    disk->over_write_budget = 6;
    disk->not_admitted = 7;
    disk->read_errors = 8;
    disk->from_files = 10;
    disk->write_errors = 9;
    auto series = render();
    CHECK(series["gatehouse_disk_objects"] == "1");
    CHECK(series["gatehouse_disk_reads_total{by=\"loop\"}"] == "2");
    CHECK(series["gatehouse_disk_reads_total{by=\"reader\"}"] == "3");
    CHECK(series["gatehouse_disk_file_hits_total"] == "10");
    CHECK(series["gatehouse_disk_not_written_total{reason=\"queue\"}"] == "4");
    CHECK(series["gatehouse_disk_not_written_total{reason=\"too_large\"}"] == "5");
    CHECK(series["gatehouse_disk_not_written_total{reason=\"write_budget\"}"] == "6");
    CHECK(series["gatehouse_disk_not_written_total{reason=\"first_time\"}"] == "7");
    CHECK(series["gatehouse_disk_errors_total{operation=\"read\"}"] == "8");
    CHECK(series["gatehouse_disk_errors_total{operation=\"write\"}"] == "9");
    CHECK(series["gatehouse_disk_writable"] == "1");
    disk->is_failing = true;
    CHECK(render()["gatehouse_disk_writable"] == "0");
}
