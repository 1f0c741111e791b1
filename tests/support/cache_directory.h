// A cache directory on disk with responses in it, as a proxy that was killed leaves it.
#pragma once

#include "cache/policy/stored_head.h"
#include "cache/store/disk_log.h"
#include "tests/support/child_process.h"

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

namespace gatehouse::testing {

struct CachedResponse {
    std::string key; // as cache/policy/cache_key.h makes it
    std::string body;
    int status = 200;
    std::string vary_names;          // "accept-language"
    std::string vary_values;         // "=de\n"
    std::string extra_name = "ETag"; // a field beside Content-Type and Date
    std::string extra_value = "\"1\"";
    cache::store::disk::RecordKind kind = cache::store::disk::RecordKind::Whole;
    std::uint64_t total_bytes = 0; // of a body that stands elsewhere
};

class CacheDirectory {
public:
    static constexpr std::uint64_t kSegmentBytes = 64 * 1024;

    CacheDirectory() { reopen(); }

    const std::string& path() const { return path_; }
    std::string file(const std::string& name) const { return path_ + "/" + name; }
    // 26 November 2026, 19:00 GMT: when all responses were received. Each expires a minute later.
    static http::WallTime received() {
        return std::chrono::sys_days(std::chrono::year(2026) / 11 / 26) + std::chrono::hours(19);
    }

    cache::store::disk::Location put(const CachedResponse& response) {
        // As text: what lies on a disk need not be what a response may have.
        const http::Fields fields =
            http::Fields::from_serialised("Content-Type: text/plain\r\nDate: Thu, 26 Nov 2026 19:00:00 GMT\r\n" +
                                          response.extra_name + ": " + response.extra_value + "\r\n");
        cache::policy::ResponseFacts facts;
        facts.status = static_cast<std::uint16_t>(response.status);
        facts.request_time = received();
        facts.response_time = received();
        facts.date = received();
        const std::string metadata =
            cache::policy::encode_stored_head(facts, fields, response.vary_names, response.vary_values);
        const std::string secondary = response.vary_names + "\n" + response.vary_values;
        cache::store::disk::NewRecord record;
        record.kind = response.kind;
        record.key = response.key;
        record.secondary_key = secondary;
        record.metadata = metadata;
        record.body = response.body;
        const bool is_whole = response.kind == cache::store::disk::RecordKind::Whole;
        record.total_bytes = is_whole ? response.body.size() : response.total_bytes;
        record.sequence = ++sequence_;
        record.expires_ms = (received() + std::chrono::minutes(1)).time_since_epoch().count();
        const auto written = log_->append(record);
        REQUIRE(written.has_value());
        return *written;
    }
    cache::store::disk::DiskLog& log() { return *log_; }
    // The process that had it is gone.
    void kill() { log_ = nullptr; }

    std::string content(const std::string& name) const {
        std::ifstream in(file(name), std::ios::binary);
        return {std::istreambuf_iterator<char>(in), {}};
    }
    void flip(const std::string& name, std::uint64_t at) const {
        std::fstream out(file(name), std::ios::binary | std::ios::in | std::ios::out);
        out.seekg(static_cast<std::streamoff>(at));
        const char was = static_cast<char>(out.get());
        out.seekp(static_cast<std::streamoff>(at));
        out.put(static_cast<char>(was ^ 1));
    }

private:
    void reopen() {
        cache::store::disk::LogRecovery found;
        auto opened = cache::store::disk::DiskLog::open(files_, {path_, kSegmentBytes, 4}, index_, found);
        REQUIRE(opened.has_value());
        log_ = std::move(*opened);
    }

    ScratchDirectory scratch_;
    std::string path_ = scratch_.path("cache");
    cache::store::disk::PosixFiles files_;
    cache::store::disk::DiskIndex index_;
    std::unique_ptr<cache::store::disk::DiskLog> log_;
    std::uint64_t sequence_ = 0;
};

// Keys of GET requests for a host, with a query or without.
inline std::string key_of(const std::string& host, const std::string& path, const std::string& query = "") {
    return "catalogue|/v1/*\napi\n" + host + "\n" + path + "\n" + query + "\n";
}

} // namespace gatehouse::testing
