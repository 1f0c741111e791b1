// Looking into a disk store's directory: what a start would find is found, whatever is damaged is told, what a kill or
// a working process leaves is not taken for damage, and nothing is changed.
#include "cache/store/disk_inspect.h"

#include "cache/store/disk_log.h"
#include "tests/unit/cache/policy/dice.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <unistd.h>

using namespace gatehouse::cache::store;
using namespace gatehouse::cache::store::disk;
namespace chance = gatehouse::cache::policy::testing;
namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kSegment = 64 * 1024;

class Directory {
public:
    Directory() {
        std::string name = (fs::temp_directory_path() / "gatehouse-inspect-XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        path_ = name;
    }
    ~Directory() {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }
    Directory(const Directory&) = delete;
    Directory& operator=(const Directory&) = delete;
    const std::string& path() const { return path_; }
    std::string file(const std::string& name) const { return path_ + "/" + name; }
    std::string content(const std::string& name) const {
        std::ifstream in(file(name), std::ios::binary);
        return {std::istreambuf_iterator<char>(in), {}};
    }
    void write(const std::string& name, std::string_view content) const {
        std::ofstream(file(name), std::ios::binary | std::ios::trunc) << content;
    }

private:
    std::string path_;
};

// Destroyed without close() it leaves what a killed process leaves.
struct OpenLog {
    explicit OpenLog(const Directory& directory, std::uint32_t segments = 4) {
        auto opened = DiskLog::open(files, {directory.path(), kSegment, segments}, index, found);
        REQUIRE(opened.has_value());
        log = std::move(*opened);
    }
    Location put(const std::string& key, const std::string& body, const std::string& secondary = "",
                 RecordKind kind = RecordKind::Whole, std::uint64_t total = 0) {
        NewRecord record;
        record.kind = kind;
        record.key = key;
        record.secondary_key = secondary;
        const std::string metadata = "head of " + key;
        record.metadata = metadata;
        record.body = body;
        record.total_bytes = kind == RecordKind::Whole ? body.size() : total;
        record.sequence = ++sequence;
        const auto written = log->append(record);
        REQUIRE(written.has_value());
        return *written;
    }

    PosixFiles files;
    DiskIndex index;
    LogRecovery found;
    std::uint64_t sequence = 0;
    std::unique_ptr<DiskLog> log;
};

std::unique_ptr<Inspector> inspect(const Directory& directory) {
    std::string why;
    auto inspector = Inspector::open(directory.path(), why);
    REQUIRE_MESSAGE(inspector, why);
    return inspector;
}

SegmentReport look_at(const Directory& directory, std::uint32_t segment, Depth depth = Depth::EveryByte) {
    return inspect(directory)->look_at(segment, depth);
}

std::size_t wrong_of(const SegmentReport& report) {
    return static_cast<std::size_t>(
        std::count_if(report.findings.begin(), report.findings.end(), [](const Finding& one) { return one.is_wrong; }));
}

std::string texts_of(const SegmentReport& report) {
    std::string out;
    for (const Finding& one : report.findings) {
        out += one.file + ":" + std::to_string(one.offset) + ": " + one.what + "\n";
    }
    return out;
}

// "key/secondary key" of all that a start would find.
std::set<std::string> live_in(const Directory& directory, Depth depth = Depth::AsStart) {
    const auto inspector = inspect(directory);
    LiveRecords live;
    for (const std::uint32_t segment : inspector->segments()) {
        live.add(inspector->look_at(segment, depth));
    }
    std::set<std::string> out;
    for (const LiveRecord& one : live.take()) {
        const auto head = inspector->read_head(one.place);
        REQUIRE(head.has_value());
        const bool is_new =
            out.insert(std::string(head->head.key) + "/" + std::string(head->head.secondary_key)).second;
        CHECK(is_new);
    }
    return out;
}

// All that is in the directory, with the times of the last change.
std::string state_of(const Directory& directory) {
    std::map<std::string, std::string> files;
    for (const auto& entry : fs::directory_iterator(directory.path())) {
        const std::string name = entry.path().filename().string();
        const auto changed = fs::last_write_time(entry.path()).time_since_epoch().count();
        files[name] = std::to_string(changed) + " " + directory.content(name);
    }
    std::string out;
    for (const auto& [name, content] : files) {
        out += name + " " + content + "\n";
    }
    return out;
}

// A segment written by hand, with records that the log does not write.
class SegmentText {
public:
    SegmentText(std::uint32_t number, std::uint64_t generation, const StoreId& store)
        : header_{number, generation, kSegment, store} {
        const auto bytes = encode(header_);
        text_.assign(bytes.data(), bytes.size());
    }
    Place add(RecordFacts facts, const std::string& key, const std::string& body) {
        const Place place{header_.number, static_cast<std::uint32_t>(text_.size() / kUnitBytes), header_.generation};
        facts.generation = header_.generation;
        facts.hash = hash_key(key);
        facts.body_bytes = body.size();
        text_ += encode_record_head(facts, key, "", "head", checksums_of(body));
        text_ += body;
        text_.resize((text_.size() + kUnitBytes - 1) / kUnitBytes * kUnitBytes, '\0');
        return place;
    }
    std::string text() const {
        std::string out = text_;
        out.resize(kSegment, '\0');
        return out;
    }

private:
    SegmentHeader header_;
    std::string text_;
};

RecordFacts facts_of(RecordKind kind, std::uint64_t total, std::uint64_t offset = 0) {
    RecordFacts facts;
    facts.kind = kind;
    facts.total_bytes = total;
    facts.body_offset = offset;
    return facts;
}

std::string places_text(const std::vector<Place>& places) {
    std::string out;
    for (const Place& place : places) {
        append_place(out, place);
    }
    return out;
}

void make_identity(const Directory& directory) {
    OpenLog disk(directory);
    for (std::uint32_t number = 0; number < 4; ++number) {
        fs::remove(directory.file("segment-" + std::to_string(number)));
    }
}

std::string body_at(Inspector& inspector, const Place& place, std::string& problem) {
    const BodyPlan plan = inspector.plan_body(place);
    std::string body;
    problem = plan.problem;
    if (problem.empty()) {
        problem = inspector.read_body(plan, [&](std::string_view more) {
            body += more;
            return true;
        });
    }
    return body;
}

} // namespace

TEST_CASE("A path that is no cache directory is refused with what is missing") {
    const Directory directory;
    directory.write("file", "");
    struct Row {
        std::string path;
        std::string why;
    };
    const Row rows[] = {
        {directory.file("none"), "there is no such directory"},
        {directory.file("file"), "it is no directory"},
        {directory.path(), "it has no file `identity`: no cache directory, or one that was never used"},
    };
    for (const Row& row : rows) {
        std::string why;
        CHECK(Inspector::open(row.path, why) == nullptr);
        CHECK(why == row.why);
    }
    CHECK(fs::exists(directory.file("none")) == false);
    CHECK(std::distance(fs::directory_iterator(directory.path()), fs::directory_iterator()) == 1);
}

TEST_CASE("A damaged identity is told, and segments can be looked at all the same") {
    const Directory directory;
    {
        OpenLog disk(directory);
        disk.put("a", "body");
    }
    const std::string whole = directory.content("identity");
    for (std::size_t at = 0; at < whole.size(); at += 7) {
        std::string flipped = whole;
        flipped[at] ^= 1;
        directory.write("identity", flipped);
        const auto inspector = inspect(directory);
        REQUIRE(inspector->findings().size() == 1);
        CHECK(inspector->findings()[0].what == "its checksum is wrong");
        CHECK(inspector->look_at(0, Depth::EveryByte).records.size() == 1);
    }
    directory.write("identity", whole.substr(1));
    CHECK(inspect(directory)->findings()[0].what == "it has 231 bytes, not 232");
}

TEST_CASE("What a start would find is found: the newest of each key and secondary key, and nothing that was removed") {
    for (const bool is_closed : {false, true}) {
        const Directory directory;
        {
            OpenLog disk(directory);
            disk.put("a", "one");
            disk.put("b", "");
            disk.put("a", "in German", "de");
            disk.put("a", "two");
            disk.put("gone", "x");
            CHECK_FALSE(disk.log->remove("gone", "", 9));
            disk.put("back", "x");
            CHECK_FALSE(disk.log->remove("back", "", 10));
            disk.put("back", "y");
            if (is_closed) {
                CHECK_FALSE(disk.log->close());
            }
        }
        CHECK(live_in(directory) == std::set<std::string>{"a/", "a/de", "b/", "back/"});
        CHECK(live_in(directory, Depth::EveryByte) == live_in(directory));
        CHECK(look_at(directory, 0).state == (is_closed ? SegmentState::Sealed : SegmentState::Unsealed));
        CHECK(look_at(directory, 0).findings.empty());
        CHECK(look_at(directory, 1).state == SegmentState::Free);
    }
}

TEST_CASE("After any history it is what the next start has in its index") {
    for (unsigned seed = 1; seed <= 20; ++seed) {
        CAPTURE(seed);
        chance::Dice dice(chance::property_seed() + seed);
        const Directory directory;
        {
            OpenLog disk(directory);
            for (int i = 0; i < 200; ++i) {
                const std::string key = "key " + std::to_string(dice.below(60));
                const std::string secondary = dice.below(3) == 0 ? "de" : "";
                if (dice.below(6) == 0) {
                    CHECK_FALSE(disk.log->remove(key, secondary, ++disk.sequence));
                } else {
                    disk.put(key, std::string(dice.below(6000), 'x'), secondary);
                }
            }
        }
        const std::set<std::string> live = live_in(directory);
        const std::string before = state_of(directory);
        for (std::uint32_t segment = 0; segment < 4; ++segment) {
            const SegmentReport report = look_at(directory, segment);
            CHECK_MESSAGE(report.findings.empty(), texts_of(report));
        }
        CHECK(state_of(directory) == before);
        const OpenLog next(directory);
        CHECK(next.index.size() == live.size());
    }
}

TEST_CASE("A flipped bit anywhere in a sealed segment is found") {
    const Directory directory;
    {
        OpenLog disk(directory);
        for (int i = 0; i < 6; ++i) {
            disk.put("key " + std::to_string(i), std::string(static_cast<std::size_t>(i) * 130, 'x'),
                     i == 3 ? "de" : "");
        }
        CHECK_FALSE(disk.log->remove("key 1", "", 9));
        CHECK_FALSE(disk.log->close());
    }
    const SegmentReport whole = look_at(directory, 0);
    REQUIRE(whole.state == SegmentState::Sealed);
    REQUIRE(whole.records.size() == 7);
    CHECK_MESSAGE(whole.findings.empty(), texts_of(whole));
    const FooterEntry& last = whole.records.back();
    const std::uint64_t footer_end =
        (std::uint64_t{last.units} + last.length_units) * kUnitBytes + whole.records.size() * kFooterEntryBytes;
    std::fstream file(directory.file("segment-0"), std::ios::binary | std::ios::in | std::ios::out);
    const auto flip = [&file](std::uint64_t at) {
        file.seekg(static_cast<std::streamoff>(at));
        const char was = static_cast<char>(file.get());
        file.seekp(static_cast<std::streamoff>(at));
        file.put(static_cast<char>(was ^ 0x10)).flush();
    };
    for (std::uint64_t at = 0; at < kSegment; ++at) {
        if (at == footer_end) {
            at = kSegment - kTrailerBytes;
        }
        flip(at);
        const SegmentReport report = look_at(directory, 0);
        const bool is_found = wrong_of(report) > 0 || report.state == SegmentState::OtherVersion;
        CHECK_MESSAGE(is_found, at);
        flip(at);
    }
    CHECK(look_at(directory, 0).findings.empty());
}

TEST_CASE("A flipped bit in a segment without a footer is found, but for one in its last record") {
    const Directory directory;
    Location last;
    {
        OpenLog disk(directory);
        disk.put("a", std::string(200, 'x'));
        disk.put("b", "");
        last = disk.put("c", "last");
    }
    const std::string whole = directory.content("segment-0");
    for (std::uint64_t at = kSegmentHeaderBytes; at < std::uint64_t{last.units} * kUnitBytes; ++at) {
        std::string flipped = whole;
        flipped[at] ^= 0x10;
        directory.write("segment-0", flipped);
        CHECK_MESSAGE(wrong_of(look_at(directory, 0)) > 0, at);
    }
}

TEST_CASE("A torn tail is told and is not wrong, wherever it was torn") {
    const Directory directory;
    Location last;
    {
        OpenLog disk(directory);
        disk.put("a", std::string(200, 'x'));
        last = disk.put("b", std::string(100, 'y'));
    }
    const std::string whole = directory.content("segment-0");
    const std::size_t begin = std::size_t{last.units} * kUnitBytes;
    const std::size_t content = whole.find_last_not_of('\0') + 1;
    for (std::size_t cut = begin; cut < content; ++cut) {
        std::string torn = whole;
        std::fill(torn.begin() + static_cast<std::ptrdiff_t>(cut), torn.end(), '\0');
        directory.write("segment-0", torn);
        const SegmentReport report = look_at(directory, 0);
        CHECK(report.records.size() == 1);
        CHECK_MESSAGE(wrong_of(report) == 0, texts_of(report));
        // With its generation in the file it is known for a record that was begun.
        CHECK(report.findings.size() == (cut > begin + 8 ? 1 : 0));
        CHECK(live_in(directory) == std::set<std::string>{"a/"});
    }
}

TEST_CASE("What is no segment of the store is told apart, and only damage is wrong") {
    const Directory directory;
    make_identity(directory);
    const StoreId store = inspect(directory)->store();
    const std::string whole = SegmentText(0, 7, store).text();
    std::string other_version = whole;
    other_version[7] = '2';
    const std::uint64_t sum = checksum(std::string_view(other_version).substr(0, 56));
    other_version.replace(56, 8, reinterpret_cast<const char*>(&sum), 8);
    std::string damaged = whole;
    damaged[20] ^= 1;
    struct Row {
        std::string content;
        SegmentState state;
        std::size_t wrong;
        std::string what;
    };
    const Row rows[] = {
        {"", SegmentState::Free, 0, ""},
        {std::string(kSegment, '\0'), SegmentState::Free, 0, ""},
        {"GHSEGMT1", SegmentState::Damaged, 1, "the file has 8 bytes, too few for a header"},
        {whole, SegmentState::Unsealed, 0, ""},
        {other_version, SegmentState::OtherVersion, 0, "of another version of the format"},
        {SegmentText(0, 7, StoreId{1}).text(), SegmentState::OtherStore, 0, "written by another store"},
        {SegmentText(1, 7, store).text(), SegmentState::Damaged, 1, "the header is that of segment-1"},
        {damaged, SegmentState::Damaged, 1, "the checksum of the header is wrong"},
        {whole.substr(0, 1000), SegmentState::Unsealed, 1, "the file ends here; its header says 65536 bytes"},
    };
    for (const Row& row : rows) {
        directory.write("segment-0", row.content);
        const SegmentReport report = look_at(directory, 0);
        CHECK(report.state == row.state);
        CHECK(wrong_of(report) == row.wrong);
        CHECK_MESSAGE(texts_of(report).find(row.what) != std::string::npos, texts_of(report));
    }
    fs::remove(directory.file("segment-0"));
    CHECK(inspect(directory)->segments().empty());
    directory.write("segment-00", "");
    directory.write("segment-x", "");
    directory.write("segment-3", "");
    CHECK(inspect(directory)->segments() == std::vector<std::uint32_t>{3});
}

TEST_CASE("The body of a metadata record is that of the record it names; a manifest has its chunks in order") {
    const Directory directory;
    make_identity(directory);
    SegmentText text(0, 7, inspect(directory)->store());
    const Place whole = text.add(facts_of(RecordKind::Whole, 4), "a", "body");
    const Place fresher = text.add(facts_of(RecordKind::Metadata, 4), "a", encode(BodyPlace{whole, 3}));
    const Place first = text.add(facts_of(RecordKind::Chunk, 7, 0), "b", "one ");
    const Place second = text.add(facts_of(RecordKind::Chunk, 7, 4), "b", "two");
    const Place large = text.add(facts_of(RecordKind::Manifest, 7), "b", places_text({first, second}));
    const Place large_fresher = text.add(facts_of(RecordKind::Metadata, 7), "b", encode(BodyPlace{large, 3}));
    const Place swapped = text.add(facts_of(RecordKind::Manifest, 7), "b", places_text({second, first}));
    const Place shorter = text.add(facts_of(RecordKind::Manifest, 7), "b", places_text({first}));
    const Place no_places = text.add(facts_of(RecordKind::Manifest, 7), "b", "no places");
    const Place of_other = text.add(facts_of(RecordKind::Metadata, 4), "c", encode(BodyPlace{whole, 3}));
    const Place of_metadata = text.add(facts_of(RecordKind::Metadata, 4), "a", encode(BodyPlace{fresher, 3}));
    Place reclaimed = whole;
    reclaimed.generation = 3;
    const Place of_reclaimed = text.add(facts_of(RecordKind::Metadata, 4), "a", encode(BodyPlace{reclaimed, 3}));
    const Place nowhere{0, 900, 7};
    const Place of_nowhere = text.add(facts_of(RecordKind::Metadata, 4), "a", encode(BodyPlace{nowhere, 3}));
    directory.write("segment-0", text.text());
    const SegmentReport report = look_at(directory, 0);
    CHECK(report.records.size() == 13);
    CHECK_MESSAGE(report.findings.empty(), texts_of(report));

    const auto inspector = inspect(directory);
    struct Row {
        Place place;
        std::string body;
        std::string problem;
    };
    const Row rows[] = {
        {whole, "body", ""},
        {fresher, "body", ""},
        {large, "one two", ""},
        {large_fresher, "one two", ""},
        {swapped, "", "a chunk of another body stands in segment-0"},
        {shorter, "", "its chunks have 4 bytes, and it has 7"},
        {no_places, "", "its body is no list of places"},
        {of_other, "", "the record of its body is of another key"},
        {of_metadata, "", "the record of its body has none"},
        {of_reclaimed, "", "the segment of its body, segment-0, was begun anew since"},
        {of_nowhere, "", "no whole record stands where its body should, in segment-0 at offset 57600"},
    };
    for (const Row& row : rows) {
        std::string problem;
        CHECK(body_at(*inspector, row.place, problem) == row.body);
        CHECK_MESSAGE(problem.starts_with(row.problem), problem);
        CHECK(problem.empty() == row.problem.empty());
    }
    CHECK(inspector->plan_body(of_reclaimed).was_reclaimed);
    CHECK_FALSE(inspector->plan_body(of_nowhere).was_reclaimed);
    CHECK(inspector->plan_body(large_fresher).other_records_bytes == 3 * 192);
}

TEST_CASE("A body of several MiB is checked MiB by MiB, and nothing of a wrong one is given out") {
    const Directory directory;
    {
        PosixFiles files;
        DiskIndex index;
        LogRecovery found;
        auto log = DiskLog::open(files, {directory.path(), 16 * 1024 * 1024, 4}, index, found);
        REQUIRE(log.has_value());
        NewRecord record;
        record.key = "large";
        const std::string body(2 * 1024 * 1024 + 100, 'x');
        record.body = body;
        record.total_bytes = body.size();
        REQUIRE((*log)->append(record).has_value());
    }
    CHECK(look_at(directory, 0).findings.empty());
    std::string content = directory.content("segment-0");
    const std::size_t body_at_offset = content.find("xxxx");
    content[body_at_offset + 1024 * 1024 + 5] = 'y';
    directory.write("segment-0", content);
    const auto inspector = inspect(directory);
    std::string problem;
    const std::string got = body_at(*inspector, {0, 1, 1}, problem);
    CHECK(got == std::string(1024 * 1024, 'x'));
    CHECK(problem ==
          "the checksum of the body is wrong, in segment-0 at offset " + std::to_string(body_at_offset + 1024 * 1024));
    const SegmentReport report = look_at(directory, 0);
    REQUIRE(report.findings.size() == 1); // the last record of a segment without footer
    CHECK(report.findings[0].what.find("the checksum of the body is wrong for the 1048576 bytes from byte 1048576") !=
          std::string::npos);
}

TEST_CASE("A process that writes at the same time is not taken for damage") {
    const Directory directory;
    make_identity(directory);
    OpenLog disk(directory);
    std::atomic<bool> has_ended = false;
    std::thread writer([&] {
        NewRecord record;
        for (int i = 0; i < 4000; ++i) {
            const std::string key = "key " + std::to_string(i);
            const std::string body(static_cast<std::size_t>(i * 37 % 5000), 'x');
            record.key = key;
            record.body = body;
            record.sequence = static_cast<std::uint64_t>(i);
            if (!disk.log->append(record)) {
                break;
            }
        }
        has_ended = true;
    });
    std::size_t records = 0;
    for (bool is_last = false; !is_last;) {
        is_last = has_ended;
        for (std::uint32_t segment = 0; segment < 4; ++segment) {
            const SegmentReport report = look_at(directory, segment);
            CHECK_MESSAGE(wrong_of(report) == 0, texts_of(report));
            records += report.records.size();
        }
    }
    writer.join();
    CHECK(records > 0);
    CHECK(disk.log->stats().segments_reused > 100);
}
