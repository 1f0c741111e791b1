#include "proxy/cache_report.h"

#include "cache/store/disk_segment.h"
#include "http/date.h"
#include "proxy/json_text.h"
#include "proxy/printable_text.h"
#include "proxy/response_head_text.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <string_view>
#include <utility>

namespace gatehouse::proxy {

namespace {

namespace disk = cache::store::disk;
using disk::RecordKind;

constexpr std::string_view kStateNames[] = {"free",   "sealed", "unsealed", "of another version", "of another store",
                                            "damaged"};
constexpr std::string_view kStateMembers[] = {"free", "sealed", "unsealed", "other_version", "other_store", "damaged"};
static_assert(std::size(kStateNames) == disk::kSegmentStates && std::size(kStateMembers) == disk::kSegmentStates);
constexpr std::string_view kKindNames[] = {"whole", "chunk", "manifest", "metadata", "removed"};

constexpr std::size_t number_of(RecordKind kind) noexcept { return static_cast<std::size_t>(kind) - 1; }

std::string date_text(http::WallTime time) { return http::format_http_date(time); }
std::string date_text(std::int64_t milliseconds) {
    return date_text(http::WallTime(std::chrono::milliseconds(milliseconds)));
}

static_assert(std::size(kKindNames) == CacheSums::kKinds);

bool has_expiry(const CachedEntry& entry) noexcept { return entry.record.head.facts.expires_ms != 0; }
std::string expiry(const CachedEntry& entry) { return date_text(entry.record.head.facts.expires_ms); }

// {"name":"text",...} and numbers, in the order in which they are added.
class JsonLine {
public:
    void text(std::string_view name, std::string_view value) {
        begin(name);
        append_json_string(out_, value);
    }
    void number(std::string_view name, std::uint64_t value) {
        begin(name);
        append_number(out_, value);
    }
    void null(std::string_view name) {
        begin(name);
        out_ += "null";
    }
    void texts(std::string_view name, const std::vector<std::string>& values) {
        begin(name);
        out_ += '[';
        for (const std::string& value : values) {
            out_ += out_.back() == '[' ? "" : ",";
            append_json_string(out_, value);
        }
        out_ += ']';
    }
    template <class Value>
    void text_or_null(std::string_view name, bool is_there, const Value& value) {
        is_there ? text(name, value()) : null(name);
    }
    void object(std::string_view name, JsonLine&& value) {
        begin(name);
        out_ += value.take();
    }
    std::string take() { return (out_.empty() ? "{" : std::move(out_)) + "}"; }

private:
    void begin(std::string_view name) {
        out_ += out_.empty() ? "{" : ",";
        append_json_string(out_, name);
        out_ += ':';
    }
    std::string out_;
};

std::string padded_number(std::uint64_t number, std::size_t columns) {
    std::string text = std::to_string(number);
    return std::string(columns > text.size() ? columns - text.size() : 0, ' ') + text;
}

template <class Names>
std::string counts_text(const Names& names, const std::uint64_t* counts) {
    std::string out;
    for (std::size_t i = 0; i < std::size(names); ++i) {
        out.append(i == 0 ? "" : ", ").append(std::to_string(counts[i])).append(" ").append(names[i]);
    }
    return out;
}

template <class Names>
JsonLine counts_json(const Names& names, const std::uint64_t* counts) {
    JsonLine json;
    for (std::size_t i = 0; i < std::size(names); ++i) {
        json.number(names[i], counts[i]);
    }
    return json;
}

std::string store_text(const disk::StoreId& store) {
    std::string text;
    for (const unsigned char byte : store) {
        text += byte < 16 ? "0" : "";
        append_number(text, static_cast<unsigned>(byte), 16);
    }
    return text;
}

} // namespace

CachedEntry::CachedEntry(disk::InspectedHead&& read)
    : record(std::move(read)),
      key(readable_key(record.head.key)),
      head(cache::policy::read_stored_head(record.head.metadata)) {
    if (head) {
        variant = readable_variant(head->vary_names, head->vary_values, record.head.secondary_key);
    }
}

std::uint64_t CachedEntry::body_bytes() const noexcept {
    const disk::RecordFacts& facts = record.head.facts;
    return facts.kind == RecordKind::Whole ? facts.body_bytes : facts.total_bytes;
}

std::string entry_line(const CachedEntry& entry) {
    constexpr std::size_t kDateColumns = 29;
    const auto date_or_dash = [](bool is_there, const auto& text) {
        return is_there ? text() : "-" + std::string(kDateColumns - 1, ' ');
    };
    std::string line = entry.head ? padded_number(entry.head->facts.status, 3) : "  -";
    line += padded_number(entry.body_bytes(), 12) + "  ";
    line += date_or_dash(entry.head.has_value(), [&] { return date_text(entry.head->facts.date); }) + "  ";
    line += date_or_dash(has_expiry(entry), [&] { return expiry(entry); });
    line += padded_number(entry.record.head.facts.sequence, 10) + "  " + entry.key.method + " " + entry.key.url();
    line += "  " + entry.key.rules + " " + entry.key.origin;
    for (const auto* list : {&entry.key.others, &entry.variant}) {
        for (const std::string& text : *list) {
            line += "  " + text;
        }
    }
    line += entry.body_problem.empty() ? "" : "  no body: " + entry.body_problem;
    return printable(line) + "\n";
}

std::string entry_json(const CachedEntry& entry, const disk::Place& place) {
    const disk::RecordFacts& facts = entry.record.head.facts;
    JsonLine json;
    entry.head ? json.number("status", entry.head->facts.status) : json.null("status");
    json.text("method", entry.key.method);
    json.text("host", entry.key.host);
    json.text("path", entry.key.path);
    json.text_or_null("query", entry.key.query.has_value(), [&] { return *entry.key.query; });
    json.text("rules", entry.key.rules);
    json.text("origin", entry.key.origin);
    json.texts("key_fields", entry.key.others);
    json.texts("variant", entry.variant);
    json.number("body_bytes", entry.body_bytes());
    json.text_or_null("date", entry.head.has_value(), [&] { return date_text(entry.head->facts.date); });
    json.text_or_null("expires", has_expiry(entry), [&] { return expiry(entry); });
    json.number("sequence", facts.sequence);
    json.text("kind", kKindNames[number_of(facts.kind)]);
    json.text("segment", disk::segment_file_name(place.segment));
    json.number("offset", std::uint64_t{place.units} * disk::kUnitBytes);
    json.number("generation", place.generation);
    json.text_or_null("no_body", !entry.body_problem.empty(), [&] { return entry.body_problem; });
    json.text("key", entry.record.head.key);
    return json.take() + "\n";
}

std::string dump_text(const CachedEntry& entry, const disk::Place& place, std::size_t number, std::size_t count) {
    const disk::RecordFacts& facts = entry.record.head.facts;
    std::string out;
    const auto line = [&out](std::string title, const std::string& text) {
        title.resize(std::max<std::size_t>(11, title.size()), ' ');
        out += title + printable(text) + "\n";
    };
    line("entry", std::to_string(number) + " of " + std::to_string(count));
    line("key", entry.key.method + " " + entry.key.url());
    line("rules", entry.key.rules + ", origin " + entry.key.origin);
    for (const std::string& text : entry.key.others) {
        line("key field", text);
    }
    for (const std::string& text : entry.variant) {
        line("variant", text);
    }
    if (entry.head) {
        line("requested", date_text(entry.head->facts.request_time));
        line("received", date_text(entry.head->facts.response_time));
    }
    line("expires", has_expiry(entry) ? expiry(entry) + ", as the store was told" : "not known to the store");
    line("sequence", std::to_string(facts.sequence));
    line("stands in", disk::segment_file_name(place.segment) + " at offset " +
                          std::to_string(std::uint64_t{place.units} * disk::kUnitBytes) + ", generation " +
                          std::to_string(place.generation) + ": " + std::string(kKindNames[number_of(facts.kind)]) +
                          ", " + std::to_string(entry.record.head.record_bytes) + " bytes");
    line("body", entry.body_problem.empty() ? std::to_string(entry.body_bytes()) + " bytes" : entry.body_problem);
    out += '\n';
    if (!entry.head) {
        return out + "The metadata is no head of a response.\n\n";
    }
    std::string head;
    append_status_line(head, entry.head->facts.status);
    head += entry.head->field_lines;
    for (std::size_t begin = 0; begin < head.size();) {
        const std::size_t end = std::min(head.find("\r\n", begin), head.size());
        out += printable(std::string_view(head).substr(begin, end - begin)) + "\n";
        begin = end + 2;
    }
    return out + "\n";
}

void CacheSums::add(const disk::SegmentReport& report) {
    ++segments[static_cast<std::size_t>(report.state)];
    if (report.state != disk::SegmentState::Sealed && report.state != disk::SegmentState::Unsealed) {
        return;
    }
    oldest_generation = oldest_generation == 0 ? report.generation : std::min(oldest_generation, report.generation);
    newest_generation = std::max(newest_generation, report.generation);
    for (const disk::FooterEntry& record : report.records) {
        ++records[number_of(record.kind)];
        largest_sequence = std::max(largest_sequence, record.sequence);
        record_bytes += std::uint64_t{record.length_units} * disk::kUnitBytes;
    }
}

void CacheSums::add(disk::Inspector& inspector, const disk::LiveRecord& live) {
    auto read = inspector.read_head(live.place);
    if (!read) {
        return;
    }
    const CachedEntry entry(std::move(*read));
    ++entries;
    head_bytes += entry.record.head.head_bytes;
    body_bytes += entry.body_bytes();
    live_bytes += entry.record.head.record_bytes;
    if (entry.record.head.facts.kind != RecordKind::Whole) {
        live_bytes += inspector.plan_body(live.place).other_records_bytes;
    }
    if (entry.head) {
        const http::WallTime date = entry.head->facts.date;
        oldest = std::min(oldest.value_or(date), date);
        newest = std::max(newest.value_or(date), date);
    }
}

std::uint64_t CacheSums::dead_share() const noexcept {
    const std::uint64_t dead = record_bytes > live_bytes ? record_bytes - live_bytes : 0;
    return record_bytes == 0 ? 0 : dead * 1000 / record_bytes;
}

std::string stat_text(const CacheSums& sums, const disk::StoreId& store) {
    const std::uint64_t share = sums.dead_share();
    std::string out;
    const auto line = [&out](std::string title, const std::string& text) {
        title.resize(13, ' ');
        out += title + text + "\n";
    };
    line("store", store_text(store) + ", format version " + std::to_string(disk::kFormatVersion));
    line("segments", counts_text(kStateNames, sums.segments.data()));
    line("generations", sums.oldest_generation == 0
                            ? "none"
                            : std::to_string(sums.oldest_generation) + " to " + std::to_string(sums.newest_generation));
    line("records", counts_text(kKindNames, sums.records.data()) + "; " + std::to_string(sums.record_bytes) + " bytes");
    line("entries", std::to_string(sums.entries) + " that a start finds");
    line("heads", std::to_string(sums.head_bytes) + " bytes");
    line("bodies", std::to_string(sums.body_bytes) + " bytes");
    line("dead", std::to_string(share / 10) + "." + std::to_string(share % 10) + " % of the bytes of records");
    line("sequence", std::to_string(sums.largest_sequence) + " is the largest");
    line("dates", sums.oldest ? date_text(*sums.oldest) + " to " + date_text(*sums.newest) : "none");
    return out;
}

std::string stat_json(const CacheSums& sums, const disk::StoreId& store) {
    JsonLine json;
    json.text("store", store_text(store));
    json.number("version", disk::kFormatVersion);
    json.object("segments", counts_json(kStateMembers, sums.segments.data()));
    json.number("oldest_generation", sums.oldest_generation);
    json.number("newest_generation", sums.newest_generation);
    json.object("records", counts_json(kKindNames, sums.records.data()));
    json.number("record_bytes", sums.record_bytes);
    json.number("entries", sums.entries);
    json.number("head_bytes", sums.head_bytes);
    json.number("body_bytes", sums.body_bytes);
    json.number("dead_per_mille", sums.dead_share());
    json.number("largest_sequence", sums.largest_sequence);
    json.text_or_null("oldest_date", sums.oldest.has_value(), [&] { return date_text(*sums.oldest); });
    json.text_or_null("newest_date", sums.newest.has_value(), [&] { return date_text(*sums.newest); });
    return json.take() + "\n";
}

} // namespace gatehouse::proxy
