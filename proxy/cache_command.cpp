#include "proxy/cache_command.h"

#include "cache/policy/stored_head.h"
#include "cache/store/disk_inspect.h"
#include "cache/store/disk_segment.h"
#include "proxy/cache_report.h"
#include "proxy/printable_text.h"
#include "proxy/readable_key.h"

#include <CLI/CLI.hpp>

#include <algorithm>
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

std::string counted(std::uint64_t number, const std::string& what) {
    return std::to_string(number) + " " + what + (number == 1 ? "" : "s");
}

// One that a start would find, with the texts that it is sorted by.
struct Listed {
    disk::LiveRecord record;
    std::string key;
    std::string secondary_key;
};

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
    std::unique_ptr<CachedEntry> read(const Listed& listed) {
        auto head = inspector_->read_head(listed.record.place);
        if (!head) {
            ++gone_;
            return nullptr;
        }
        auto entry = std::make_unique<CachedEntry>(std::move(*head));
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
