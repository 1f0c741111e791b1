// The access log line: what is in it, what is left out, and that it is JSON whatever came from outside.
#include "proxy/exchange_record.h"
#include "proxy/exchange_record_fields.h"
#include "proxy/json_text.h"
#include "proxy/log_line.h"

#include <boost/json.hpp>
#include <doctest/doctest.h>

#include <array>
#include <fstream>
#include <random>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

using namespace gatehouse;
using namespace gatehouse::proxy;
using cache::policy::Forwarded;
using cache::policy::Reason;
using namespace std::chrono_literals;

namespace {

// 2026-11-23 23:00:00.123 UTC
constexpr http::WallTime kStarted = std::chrono::sys_days(std::chrono::year(2026) / 11 / 23) + 23h + 123ms;

ExchangeRecord full_record() {
    ExchangeRecord record;
    record.started = kStarted;
    record.duration = 12'345us;
    record.origin_wait = 10'001us;
    record.client = "192.0.2.7";
    record.method = "GET";
    record.authority = "api.example";
    record.target = "/v1/items?page=2";
    record.user_agent = "curl/7.88.1";
    record.status = 200;
    record.request_body_bytes = 17;
    record.response_body_bytes = 5'000'000'000;
    record.complete = true;
    record.behavior = 1;
    record.routed = true;
    record.behavior_name = "/v1/*";
    record.origin = "api";
    record.origin_address = "192.0.2.1:443";
    record.origin_reused = true;
    record.origin_attempts = 2;
    record.origin_status = 304;
    record.cache.forwarded = Forwarded::Stale;
    record.cache.ttl_seconds = -3;
    record.cache.stored = true;
    record.cache.collapsed = true;
    record.cache.reason = Reason::Stale;
    record.store_reason = Reason::SetCookie;
    record.error = http::ErrorKind::ResponseIncomplete;
    record.error_detail = "ended after 3 of 5 bytes";
    return record;
}

boost::json::object parse_line(const std::string& line) {
    REQUIRE(!line.empty());
    CHECK(line.back() == '\n');
    CHECK(line.find('\n') == line.size() - 1);
    boost::system::error_code error;
    const boost::json::value value = boost::json::parse(std::string_view(line).substr(0, line.size() - 1), error);
    CAPTURE(line);
    REQUIRE_FALSE(error);
    return value.as_object();
}

boost::json::object parse_record(const ExchangeRecord& record) {
    std::string line;
    append_json_line(line, record);
    return parse_line(line);
}

// What append_json_string wrote, read back by the library.
std::string round_trip(std::string_view text) {
    std::string json;
    append_json_string(json, text);
    boost::system::error_code error;
    const boost::json::value value = boost::json::parse(json, error);
    CAPTURE(json);
    REQUIRE_FALSE(error);
    return std::string(value.as_string());
}

} // namespace

TEST_CASE("a full record has every key, in a fixed order") {
    const boost::json::object object = parse_record(full_record());
    const std::vector<std::string> expected = {"ts",
                                               "client",
                                               "method",
                                               "authority",
                                               "target",
                                               "status",
                                               "duration_ms",
                                               "origin_wait_ms",
                                               "request_bytes",
                                               "response_bytes",
                                               "complete",
                                               "behavior",
                                               "origin",
                                               "origin_address",
                                               "origin_reused",
                                               "origin_attempts",
                                               "origin_status",
                                               "cache",
                                               "fwd",
                                               "ttl",
                                               "stored",
                                               "collapsed",
                                               "reason",
                                               "store_reason",
                                               "error",
                                               "error_detail",
                                               "user_agent",
                                               "protocol"};
    std::vector<std::string> keys;
    for (const auto& member : object) {
        keys.emplace_back(member.key());
    }
    CHECK(keys == expected);
    CHECK(object.at("ts").as_string() == "2026-11-23T23:00:00.123Z");
    CHECK(object.at("client").as_string() == "192.0.2.7");
    CHECK(object.at("target").as_string() == "/v1/items?page=2");
    CHECK(object.at("status").to_number<int>() == 200);
    CHECK(object.at("duration_ms").as_double() == doctest::Approx(12.345));
    CHECK(object.at("origin_wait_ms").as_double() == doctest::Approx(10.001));
    CHECK(object.at("response_bytes").to_number<std::uint64_t>() == 5'000'000'000);
    CHECK(object.at("complete").as_bool());
    CHECK(object.at("origin_reused").as_bool());
    CHECK(object.at("origin_attempts").to_number<int>() == 2);
    CHECK(object.at("origin_status").to_number<int>() == 304);
    CHECK(object.at("fwd").as_string() == "stale");
    CHECK(object.at("ttl").to_number<int>() == -3);
    CHECK(object.at("reason").as_string() == "stale");
    CHECK(object.at("store_reason").as_string() == "set_cookie");
    CHECK(object.at("error").as_string() == "response_incomplete");
    CHECK(object.at("protocol").as_string() == "HTTP/1.1");
}

TEST_CASE("docs/ACCESS_LOG.md names every key") {
    std::ifstream file(GATEHOUSE_SOURCE_DIR "/docs/ACCESS_LOG.md");
    std::ostringstream text;
    text << file.rdbuf();
    for (const auto& member : parse_record(full_record())) {
        const std::string key(member.key());
        CAPTURE(key);
        CHECK(text.str().find("`" + key + "`") != std::string::npos);
    }
}

TEST_CASE("what is empty is left out") {
    ExchangeRecord record;
    record.started = kStarted;
    record.http10 = true;
    std::string line = "before\n";
    append_json_line(line, record);
    CHECK(line == "before\n"
                  R"({"ts":"2026-11-23T23:00:00.123Z","status":0,"duration_ms":0.000,"request_bytes":0,)"
                  R"("response_bytes":0,"complete":false,"cache":"error","protocol":"HTTP/1.0"})"
                  "\n");
}

TEST_CASE("a page in the place of an error is told with the error's status, and is no hit where the origin failed") {
    ExchangeRecord record;
    record.routed = true;
    record.status = 200;
    record.cache.page_for = 404;
    std::string line;
    append_json_line(line, record);
    CHECK(line.find(R"("cache":"hit","error_page":404,)") != std::string::npos);
    record.cache.reason = cache::policy::Reason::StaleWhileRevalidate;
    CHECK(request_result(record) == RequestResult::Stale);
    record.error = http::ErrorKind::ConnectionRefused;
    CHECK(request_result(record) == RequestResult::Error);
    record.error = http::ErrorKind::ClientClosed;
    CHECK(request_result(record) == RequestResult::Stale);
}

TEST_CASE("times and durations keep their leading zeros") {
    struct Row {
        std::string name;
        http::WallTime started;
        std::chrono::microseconds duration;
        std::string ts;
        std::string duration_text;
    };
    const Row rows[] = {
        {"the epoch, nothing", http::WallTime{}, 0us, "1970-01-01T00:00:00.000Z", "0.000"},
        {"one of each", http::WallTime{} + 1ms, 1us, "1970-01-01T00:00:00.001Z", "0.001"},
        {"just below", http::WallTime{} + 999ms, 999us, "1970-01-01T00:00:00.999Z", "0.999"},
        {"carried over", http::WallTime{} + 1000ms, 1000us, "1970-01-01T00:00:01.000Z", "1.000"},
        {"a leap day", std::chrono::sys_days(std::chrono::year(2028) / 2 / 29) + 0ms, 61'020'003us,
         "2028-02-29T00:00:00.000Z", "61020.003"},
        {"a clock that went back", http::WallTime{} - 1ms, -5us, "1969-12-31T23:59:59.999Z", "0.000"},
    };
    for (const Row& row : rows) {
        SUBCASE(row.name.c_str()) {
            ExchangeRecord record;
            record.started = row.started;
            record.duration = row.duration;
            std::string line;
            append_json_line(line, record);
            CHECK(line.find("\"ts\":\"" + row.ts + "\"") != std::string::npos);
            CHECK(line.find("\"duration_ms\":" + row.duration_text + ",") != std::string::npos);
        }
    }
}

TEST_CASE("text from outside is escaped, and what is no UTF-8 is replaced") {
    struct Row {
        std::string name;
        std::string text;
        std::string json; // between the quotes
    };
    const std::string bad = "\xEF\xBF\xBD";
    const Row rows[] = {
        {"plain", "abc /?&=~", "abc /?&=~"},
        {"quote and backslash", R"(a"b\c)", R"(a\"b\\c)"},
        {"white space", "a\tb\rc\nd", R"(a\tb\rc\nd)"},
        {"control characters", std::string("\0\x01\x1F", 3), R"(\u0000\u0001\u001f)"},
        {"DEL", "\x7F", R"(\u007f)"},
        {"C1 control: a terminal's CSI",
         "\xC2\x9B"
         "31m",
         R"(\u009b31m)"},
        {"the last C1 control", "\xC2\x9F", R"(\u009f)"},
        {"the first character behind them", "\xC2\xA0", "\xC2\xA0"},
        {"two bytes", "\xC3\xA4", "\xC3\xA4"},
        {"three bytes", "\xE2\x82\xAC", "\xE2\x82\xAC"},
        {"four bytes", "\xF0\x9F\x98\x80", "\xF0\x9F\x98\x80"},
        {"the last code point", "\xF4\x8F\xBF\xBF", "\xF4\x8F\xBF\xBF"},
        {"beyond it", "\xF4\x90\x80\x80", bad + bad + bad + bad},
        {"a lone continuation", "a\x80z", "a" + bad + "z"},
        {"overlong", "\xC0\xAF", bad + bad},
        {"overlong three bytes", "\xE0\x80\xAF", bad + bad + bad},
        {"a surrogate", "\xED\xA0\x80", bad + bad + bad},
        {"cut after two of three is one replacement", "\xE2\x82", bad},
        {"cut after three of four, then text", "\xF0\x9F\x98z", bad + "z"},
        {"a lead byte before a lead byte", "\xE2\xC3\xA4", bad + "\xC3\xA4"},
        {"bytes that never occur", "\xFE\xFF", bad + bad},
    };
    for (const Row& row : rows) {
        SUBCASE(row.name.c_str()) {
            std::string json;
            append_json_string(json, row.text);
            CHECK(json == "\"" + row.json + "\"");
            CHECK_NOTHROW(round_trip(row.text));
        }
    }
}

TEST_CASE("a text is plain when nothing in it is escaped, at every byte and place") {
    CHECK(is_plain_json(""));
    for (std::size_t size = 1; size < 20; ++size) {
        for (std::size_t at = 0; at < size; ++at) {
            for (int byte = 0; byte < 256; ++byte) {
                std::string text(size, 'a');
                text[at] = static_cast<char>(byte);
                CAPTURE(text);
                const bool is_plain = byte >= ' ' && byte < 0x7f && byte != '"' && byte != '\\';
                REQUIRE(is_plain_json(text) == is_plain);
            }
        }
    }
}

TEST_CASE("lines made one after the other are those that are made alone") {
    LineFormatter formatter;
    std::string all;
    std::string expected;
    ExchangeRecord record = full_record();
    for (const auto step : {0ms, 1ms, 999ms, 1ms, 0ms, -1ms, 86'400'000ms}) {
        record.started += step;
        formatter.append(all, record);
        append_json_line(expected, record);
    }
    CHECK(all == expected);
}

TEST_CASE("a line is as long as its texts, however long they are") {
    ExchangeRecord record = full_record();
    const std::string target = "/" + std::string(20'000, '\x01');
    record.target = target;
    const boost::json::object object = parse_record(record);
    CHECK(object.at("target").as_string() == record.target);
    CHECK(object.at("protocol").as_string() == "HTTP/1.1");
}

TEST_CASE("random bytes in every text give a line that parses") {
    std::mt19937 random(20261123);
    std::uniform_int_distribution<int> length(0, 40);
    std::uniform_int_distribution<int> any_byte(0, 255);
    const auto random_text = [&] {
        std::string text;
        for (int left = length(random); left > 0; --left) {
            text += static_cast<char>(any_byte(random));
        }
        return text;
    };
    for (int round = 0; round < 2000; ++round) {
        ExchangeRecord record = full_record();
        std::array<std::string, std::tuple_size_v<ExchangeTexts>> random_texts;
        ExchangeTexts texts;
        for (std::size_t i = 0; i < texts.size(); ++i) {
            random_texts[i] = random_text();
            texts[i] = random_texts[i];
        }
        set_texts(record, texts);
        ExchangeTexts told;
        std::size_t next = 0;
        for_each_text(record, [&](std::string_view text) { told[next++] = text; });
        CHECK((next == told.size() && told == texts));
        const boost::json::object object = parse_record(record);
        CHECK(object.at("protocol").as_string() == "HTTP/1.1");
        if (record.target.empty()) {
            CHECK_FALSE(object.contains("target"));
        } else {
            CHECK(object.at("target").as_string() == round_trip(record.target));
        }
    }
}

TEST_CASE("ASCII comes back as it was") {
    std::string text;
    for (int c = 0; c < 128; ++c) {
        text += static_cast<char>(c);
    }
    CHECK(round_trip(text) == text);
}

TEST_CASE("the result of a request") {
    struct Row {
        std::string name;
        void (*change)(ExchangeRecord&);
        RequestResult expected;
        std::string text;
    };
    const Row rows[] = {
        {"hit", [](ExchangeRecord&) {}, RequestResult::Hit, "hit"},
        {"hit of a client that left", [](ExchangeRecord& record) { record.error = http::ErrorKind::ClientClosed; },
         RequestResult::Hit, "hit"},
        {"miss", [](ExchangeRecord& record) { record.cache.forwarded = Forwarded::UriMiss; }, RequestResult::Miss,
         "miss"},
        {"an error the origin chose",
         [](ExchangeRecord& record) {
             record.cache.forwarded = Forwarded::UriMiss;
             record.status = 500;
             record.cache.error = true;
         },
         RequestResult::Miss, "miss"},
        {"the request asked for the origin",
         [](ExchangeRecord& record) { record.cache.forwarded = Forwarded::Request; }, RequestResult::Miss, "miss"},
        {"stale, and the origin sent a new response",
         [](ExchangeRecord& record) {
             record.cache.forwarded = Forwarded::Stale;
             record.cache.reason = Reason::Stale;
         },
         RequestResult::Miss, "miss"},
        {"stale, renewed by a 304",
         [](ExchangeRecord& record) {
             record.cache.forwarded = Forwarded::Stale;
             record.cache.reason = Reason::Stale;
             record.cache.revalidated = true;
         },
         RequestResult::RefreshHit, "refresh_hit"},
        {"served stale while it is renewed",
         [](ExchangeRecord& record) { record.cache.reason = Reason::StaleWhileRevalidate; }, RequestResult::Stale,
         "stale"},
        {"served stale instead of an error",
         [](ExchangeRecord& record) {
             record.cache.forwarded = Forwarded::Stale;
             record.cache.reason = Reason::StaleIfError;
             record.error = http::ErrorKind::ConnectionRefused;
         },
         RequestResult::Stale, "stale"},
        {"served stale because the client takes it",
         [](ExchangeRecord& record) { record.cache.reason = Reason::RequestMaxStale; }, RequestResult::Stale, "stale"},
        {"bypass", [](ExchangeRecord& record) { record.cache.forwarded = Forwarded::Bypass; }, RequestResult::Bypass,
         "bypass"},
        {"method", [](ExchangeRecord& record) { record.cache.forwarded = Forwarded::Method; }, RequestResult::Bypass,
         "bypass"},
        {"origin failed",
         [](ExchangeRecord& record) {
             record.cache.forwarded = Forwarded::UriMiss;
             record.error = http::ErrorKind::ConnectionRefused;
         },
         RequestResult::Error, "error"},
        {"only-if-cached", [](ExchangeRecord& record) { record.cache.reason = Reason::OnlyIfCached; },
         RequestResult::Error, "error"},
        {"malformed",
         [](ExchangeRecord& record) {
             record.routed = false;
             record.error = http::ErrorKind::BadRequest;
         },
         RequestResult::Error, "error"},
    };
    for (const Row& row : rows) {
        SUBCASE(row.name.c_str()) {
            ExchangeRecord record;
            record.routed = true;
            record.status = 200;
            row.change(record);
            CHECK(request_result(record) == row.expected);
            CHECK(to_string(request_result(record)) == row.text);
            CHECK(parse_record(record).at("cache").as_string() == row.text);
        }
    }
}

TEST_CASE("clear keeps the capacity of what the record has of its own and nothing else") {
    ExchangeRecord record = full_record();
    record.user_agent.assign(5000, 'x');
    const std::size_t capacity = record.user_agent.capacity();
    record.clear();
    CHECK(record.user_agent.capacity() == capacity);
    std::string cleared;
    append_json_line(cleared, record);
    std::string fresh;
    append_json_line(fresh, ExchangeRecord());
    CHECK(cleared == fresh);
    CHECK(record.started_steady == http::SteadyTime{});
    CHECK_FALSE(record.error);
    CHECK_FALSE(record.origin_status);
    CHECK(record.origin_attempts == 0);
}
