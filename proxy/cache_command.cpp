#include "proxy/cache_command.h"

#include "cache/policy/stored_head.h"
#include "cache/store/disk_inspect.h"
#include "http/date.h"
#include "proxy/json_text.h"
#include "proxy/printable_text.h"
#include "proxy/readable_key.h"
#include "proxy/response_head_text.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <ostream>
#include <string_view>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

namespace gatehouse::proxy {

namespace {

namespace disk = cache::store::disk;
namespace policy = cache::policy;
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

std::string counted(std::uint64_t number, const std::string& what) {
    return std::to_string(number) + " " + what + (number == 1 ? "" : "s");
}

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

// One that a start would find, with the texts that it is sorted by.
struct Listed {
    disk::LiveRecord record;
    std::string key;
    std::string secondary_key;
};

// All that is to be said of one, read anew so that the list holds keys only.
struct Entry {
    explicit Entry(disk::InspectedHead&& read)
        : record(std::move(read)),
          key(readable_key(record.head.key)),
          head(policy::read_stored_head(record.head.metadata)) {
        if (head) {
            variant = readable_variant(head->vary_names, head->vary_values, record.head.secondary_key);
        }
    }
    Entry(const Entry&) = delete;
    Entry& operator=(const Entry&) = delete;

    std::uint64_t body_bytes() const noexcept {
        const disk::RecordFacts& facts = record.head.facts;
        return facts.kind == RecordKind::Whole ? facts.body_bytes : facts.total_bytes;
    }
    bool has_expiry() const noexcept { return record.head.facts.expires_ms != 0; }
    std::string expiry() const { return date_text(record.head.facts.expires_ms); }

    disk::InspectedHead record;
    ReadableKey key;
    std::optional<policy::StoredHead> head; // nullopt: the metadata is no head of a response
    std::vector<std::string> variant;
    std::string body_problem;
};

std::string padded_number(std::uint64_t number, std::size_t columns) {
    std::string text = std::to_string(number);
    return std::string(columns > text.size() ? columns - text.size() : 0, ' ') + text;
}

std::string entry_line(const Entry& entry) {
    constexpr std::size_t kDateColumns = 29;
    const auto date_or_dash = [](bool is_there, const auto& text) {
        return is_there ? text() : "-" + std::string(kDateColumns - 1, ' ');
    };
    std::string line = entry.head ? padded_number(entry.head->facts.status, 3) : "  -";
    line += padded_number(entry.body_bytes(), 12) + "  ";
    line += date_or_dash(entry.head.has_value(), [&] { return date_text(entry.head->facts.date); }) + "  ";
    line += date_or_dash(entry.has_expiry(), [&] { return entry.expiry(); });
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

std::string entry_json(const Entry& entry, const disk::Place& place) {
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
    json.text_or_null("expires", entry.has_expiry(), [&] { return entry.expiry(); });
    json.number("sequence", facts.sequence);
    json.text("kind", kKindNames[number_of(facts.kind)]);
    json.text("segment", disk::segment_file_name(place.segment));
    json.number("offset", std::uint64_t{place.units} * disk::kUnitBytes);
    json.number("generation", place.generation);
    json.text_or_null("no_body", !entry.body_problem.empty(), [&] { return entry.body_problem; });
    json.text("key", entry.record.head.key);
    return json.take() + "\n";
}

// A directory that is being looked into, and what stands in it.
class CacheDirectory {
public:
    // Null: `err` has been told why. `wants_identity`: one whose identity is damaged is refused.
    static std::unique_ptr<CacheDirectory> open(const std::string& path, bool wants_identity, std::ostream& err) {
        std::string why;
        auto inspector = disk::Inspector::open(path, why);
        if (inspector && wants_identity && !inspector->identity_is_whole()) {
            why = "its file `identity`: " + inspector->findings().front().what + "; a start begins anew here";
            inspector = nullptr;
        }
        if (!inspector) {
            err << "gatehouse: " << printable(path) << ": " << printable(why) << '\n';
            return nullptr;
        }
        return std::unique_ptr<CacheDirectory>(new CacheDirectory(std::move(inspector)));
    }

    disk::Inspector& inspector() { return *inspector_; }

    // Calls visit(report) for each segment. Returns what a start would find.
    template <class Visit>
    std::vector<disk::LiveRecord> walk(disk::Depth depth, Visit&& visit) {
        disk::LiveRecords live;
        for (const std::uint32_t segment : inspector_->segments()) {
            const disk::SegmentReport report = inspector_->look_at(segment, depth);
            live.add(report);
            visit(report);
        }
        return live.take();
    }

    // What a start would find and `is_wanted` takes, by key and secondary key.
    template <class IsWanted>
    std::vector<Listed> list(IsWanted&& is_wanted) {
        std::vector<Listed> out;
        for (const disk::LiveRecord& one : walk(disk::Depth::AsStart, [](const auto&) {})) {
            const auto head = inspector_->read_head(one.place);
            if (!head) {
                ++gone_;
            } else if (is_wanted(head->head)) {
                out.push_back({one, std::string(head->head.key), std::string(head->head.secondary_key)});
            }
        }
        std::sort(out.begin(), out.end(), [](const Listed& a, const Listed& b) {
            return std::tie(a.key, a.secondary_key) < std::tie(b.key, b.secondary_key);
        });
        return out;
    }

    // Null: it was overwritten meanwhile.
    std::unique_ptr<Entry> read(const Listed& listed) {
        auto head = inspector_->read_head(listed.record.place);
        if (!head) {
            ++gone_;
            return nullptr;
        }
        auto entry = std::make_unique<Entry>(std::move(*head));
        if (entry->record.head.facts.kind != RecordKind::Whole) {
            entry->body_problem = inspector_->plan_body(listed.record.place).problem;
        }
        return entry;
    }

    void tell_gone(std::ostream& err) const {
        if (gone_ > 0) {
            err << "gatehouse: " << counted(gone_, "record")
                << " could not be read: damaged (`gatehouse cache verify` tells), or overwritten by a proxy "
                   "meanwhile\n";
        }
    }

private:
    explicit CacheDirectory(std::unique_ptr<disk::Inspector> inspector) : inspector_(std::move(inspector)) {}
    std::unique_ptr<disk::Inspector> inspector_;
    std::uint64_t gone_ = 0;
};

int run_list(const CacheQuestion& asked, std::ostream& out, std::ostream& err) {
    const auto directory = CacheDirectory::open(asked.path, true, err);
    if (!directory) {
        return kCacheUnreadable;
    }
    const UrlPattern pattern(asked.match);
    const auto is_wanted = [&pattern](const disk::RecordHead& head) { return pattern.matches(readable_key(head.key)); };
    for (const Listed& listed : directory->list(is_wanted)) {
        if (!out) {
            break; // nobody reads it any more
        }
        if (const auto entry = directory->read(listed)) {
            out << (asked.json ? entry_json(*entry, listed.record.place) : entry_line(*entry));
        }
    }
    directory->tell_gone(err);
    return kCacheIsWell;
}

// What `stat` adds up.
struct CacheSums {
    std::array<std::uint64_t, disk::kSegmentStates> segments{};
    std::array<std::uint64_t, std::size(kKindNames)> records{};
    std::uint64_t oldest_generation = 0; // 0: there is none
    std::uint64_t newest_generation = 0;
    std::uint64_t largest_sequence = 0;
    std::uint64_t record_bytes = 0;
    std::uint64_t entries = 0;
    std::uint64_t head_bytes = 0; // of entries
    std::uint64_t body_bytes = 0;
    std::uint64_t live_bytes = 0; // of records that entries stand in
    std::optional<http::WallTime> oldest;
    std::optional<http::WallTime> newest;

    void add(const disk::SegmentReport& report) {
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
    void add(disk::Inspector& inspector, const disk::LiveRecord& live) {
        auto read = inspector.read_head(live.place);
        if (!read) {
            return;
        }
        const Entry entry(std::move(*read));
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
    // In tenths of a percent.
    std::uint64_t dead_share() const noexcept {
        const std::uint64_t dead = record_bytes > live_bytes ? record_bytes - live_bytes : 0;
        return record_bytes == 0 ? 0 : dead * 1000 / record_bytes;
    }
};

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

int run_stat(const CacheQuestion& asked, std::ostream& out, std::ostream& err) {
    const auto directory = CacheDirectory::open(asked.path, true, err);
    if (!directory) {
        return kCacheUnreadable;
    }
    CacheSums sums;
    const auto live = directory->walk(disk::Depth::AsStart, [&sums](const auto& report) { sums.add(report); });
    for (const disk::LiveRecord& one : live) {
        sums.add(directory->inspector(), one);
    }
    const disk::StoreId& store = directory->inspector().store();
    out << (asked.json ? stat_json(sums, store) : stat_text(sums, store));
    return kCacheIsWell;
}

// Prints what is found, and counts.
class Verification {
public:
    explicit Verification(std::ostream& out) : out_(out) {}
    void tell(const disk::Finding& finding) {
        wrong_ += finding.is_wrong ? 1 : 0;
        out_ << finding.file << ':' << finding.offset << ": " << (finding.is_wrong ? "" : "(not wrong) ")
             << printable(finding.what) << '\n';
    }
    void tell(const disk::Place& place, std::string what, bool is_wrong) {
        tell({disk::segment_file_name(place.segment), std::uint64_t{place.units} * disk::kUnitBytes, std::move(what),
              is_wrong});
    }
    std::uint64_t wrong() const noexcept { return wrong_; }

private:
    std::ostream& out_;
    std::uint64_t wrong_ = 0;
};

// What no checksum tells: that the head is one of a response, and that the body is where another record says.
void verify_entry(disk::Inspector& inspector, const disk::LiveRecord& live, Verification& verification) {
    const auto read = inspector.read_head(live.place);
    if (!read) {
        return; // told already, or overwritten meanwhile
    }
    if (!policy::read_stored_head(read->head.metadata)) {
        verification.tell(live.place, "the metadata is no head of a response", true);
    }
    if (live.entry.kind != RecordKind::Whole) {
        const disk::BodyPlan plan = inspector.plan_body(live.place);
        if (!plan.problem.empty() && inspector.read_head(live.place)) {
            verification.tell(live.place, plan.problem, !plan.was_reclaimed);
        }
    }
}

int run_verify(const CacheQuestion& asked, std::ostream& out, std::ostream& err) {
    const auto directory = CacheDirectory::open(asked.path, false, err);
    if (!directory) {
        return kCacheUnreadable;
    }
    Verification verification(out);
    std::uint64_t records = 0;
    for (const disk::Finding& finding : directory->inspector().findings()) {
        verification.tell(finding);
    }
    const auto live = directory->walk(disk::Depth::EveryByte, [&](const disk::SegmentReport& report) {
        records += report.records.size();
        for (const disk::Finding& finding : report.findings) {
            verification.tell(finding);
        }
    });
    for (const disk::LiveRecord& one : live) {
        verify_entry(directory->inspector(), one, verification);
    }
    out << counted(directory->inspector().segments().size(), "segment") << ", " << counted(records, "record") << ", "
        << verification.wrong() << " wrong\n";
    return verification.wrong() == 0 ? kCacheIsWell : kCacheIsWrong;
}

std::string dump_text(const Entry& entry, const disk::Place& place, std::size_t number, std::size_t count) {
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
    line("expires", entry.has_expiry() ? entry.expiry() + ", as the store was told" : "not known to the store");
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

bool is_in_directory(const std::string& file, const std::string& directory) {
    std::error_code error;
    const auto parent = std::filesystem::weakly_canonical(file, error).parent_path();
    return !error && std::filesystem::equivalent(parent, directory, error);
}

int write_body(CacheDirectory& directory, const CacheQuestion& asked, const Listed& listed, std::ostream& out,
               std::ostream& err) {
    const auto failed = [&err](const std::string& what) {
        err << "gatehouse: " << printable(what) << '\n';
        return kCacheIsWrong;
    };
    const bool is_out = asked.body_file == "-";
    if (!is_out && is_in_directory(asked.body_file, asked.path)) {
        return failed("--body: " + asked.body_file + " lies in the cache directory, where nothing is written");
    }
    const disk::BodyPlan plan = directory.inspector().plan_body(listed.record.place);
    if (!plan.problem.empty()) {
        return failed("there is no body: " + plan.problem);
    }
    std::ofstream file;
    if (!is_out) {
        file.open(asked.body_file, std::ios::binary | std::ios::trunc);
    }
    std::ostream& to = is_out ? out : file;
    std::uint64_t written = 0;
    const std::string problem = directory.inspector().read_body(plan, [&](std::string_view bytes) {
        written += bytes.size();
        return static_cast<bool>(to.write(bytes.data(), static_cast<std::streamsize>(bytes.size())));
    });
    if (!problem.empty()) {
        return failed(problem + "; " + std::to_string(written) + " bytes in front of it were written");
    }
    return to.flush() ? kCacheIsWell : failed("--body: " + asked.body_file + " cannot be written");
}

// The entries that were asked about. Those of which it is only likely count where none is certain.
std::vector<Listed> find_asked(CacheDirectory& directory, const KeyQuestion& question) {
    const auto ask = [&question](std::string_view key) { return question.ask(key, readable_key(key)); };
    bool is_certain = false;
    std::vector<Listed> found = directory.list([&](const disk::RecordHead& head) {
        const KeyQuestion::Answer answer = ask(head.key);
        is_certain = is_certain || answer == KeyQuestion::Answer::Yes;
        return answer != KeyQuestion::Answer::No;
    });
    if (is_certain) {
        std::erase_if(found, [&](const Listed& one) { return ask(one.key) != KeyQuestion::Answer::Yes; });
    }
    return found;
}

int run_dump(const CacheQuestion& asked, std::ostream& out, std::ostream& err) {
    const auto directory = CacheDirectory::open(asked.path, true, err);
    const auto question = KeyQuestion::parse(asked.target);
    if (!directory || !question) {
        return kCacheUnreadable;
    }
    const std::vector<Listed> found = find_asked(*directory, *question);
    if (found.empty()) {
        err << "gatehouse: nothing is stored for " << printable(asked.target) << '\n';
        directory->tell_gone(err);
        return kCacheIsWrong;
    }
    if (asked.variant.value_or(1) > found.size()) {
        err << "gatehouse: --variant " << *asked.variant << ": there are " << found.size() << '\n';
        return kCacheIsWrong;
    }
    std::ostream& told = asked.body_file == "-" ? err : out;
    for (std::size_t i = 0; i < found.size(); ++i) {
        const auto entry = asked.variant.value_or(i + 1) == i + 1 ? directory->read(found[i]) : nullptr;
        told << (entry ? dump_text(*entry, found[i].record.place, i + 1, found.size()) : std::string());
    }
    directory->tell_gone(err);
    if (asked.body_file.empty()) {
        return kCacheIsWell;
    }
    if (!asked.variant && found.size() > 1) {
        err << "gatehouse: --body: " << found.size() << " entries match; choose one with --variant N\n";
        return kCacheIsWrong;
    }
    return write_body(*directory, asked, found[asked.variant.value_or(1) - 1], out, err);
}

} // namespace

void add_cache_commands(CLI::App& cache, CacheQuestion& asked) {
    using Kind = CacheQuestion::Kind;
    cache.require_subcommand(1);
    const auto add = [&](const char* name, const char* what, Kind kind) {
        CLI::App* command = cache.add_subcommand(name, what);
        command->add_option("PATH", asked.path, "the cache directory, which a proxy may be using")->required();
        command->callback([&asked, kind] { asked.kind = kind; });
        return command;
    };
    CLI::App* list = add("ls", "List what a start would find, a line each", Kind::List);
    list->add_option(
        "--match", asked.match,
        "only URLs that begin so, such as https://shop.example/v1/ or /v1/; with a *, that match as a whole");
    list->add_flag("--json", asked.json, "print JSON, an object a line");
    CLI::App* stat = add("stat", "Count segments, records, entries and bytes", Kind::Stat);
    stat->add_flag("--json", asked.json, "print JSON");
    add("verify", "Read every record and check every checksum; exit status 1 when something is wrong", Kind::Verify);
    CLI::App* dump = add("dump", "Print the heads of what is stored for a URL, and write a body", Kind::Dump);
    dump->add_option("TARGET", asked.target, "a URL, a path for every host, or what `cache ls` prints")->required();
    dump->add_option("--body", asked.body_file, "write the body to this file; `-` is standard output");
    dump->add_option("--variant", asked.variant, "only this one of those that match, from 1 on")
        ->check(CLI::PositiveNumber);
}

std::string check_cache_question(const CacheQuestion& asked) {
    if (asked.kind != CacheQuestion::Kind::Dump) {
        return {};
    }
    const auto question = KeyQuestion::parse(asked.target);
    return question ? std::string() : "cannot look for " + asked.target + ": " + question.error().detail;
}

int run_cache(const CacheQuestion& asked, std::ostream& out, std::ostream& err) {
    switch (asked.kind) {
    case CacheQuestion::Kind::List: return run_list(asked, out, err);
    case CacheQuestion::Kind::Stat: return run_stat(asked, out, err);
    case CacheQuestion::Kind::Verify: return run_verify(asked, out, err);
    case CacheQuestion::Kind::Dump: return run_dump(asked, out, err);
    }
    return kCacheUnreadable;
}

} // namespace gatehouse::proxy
