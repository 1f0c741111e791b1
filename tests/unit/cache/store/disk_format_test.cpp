// The disk store's bytes: what is written is read, and nothing that is torn, flipped or foreign is taken for whole.
#include "cache/store/disk_format.h"

#include "tests/unit/cache/policy/dice.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

using namespace gatehouse::cache::store;
using namespace gatehouse::cache::store::disk;

namespace {

constexpr std::uint64_t kMiB = 1024 * 1024;

SegmentHeader a_segment() {
    SegmentHeader header{7, 42, 64 * kMiB, {}, 35};
    for (std::size_t i = 0; i < header.store.size(); ++i) {
        header.store[i] = static_cast<unsigned char>(i * 17);
    }
    return header;
}

RecordFacts facts_for(std::string_view body) {
    RecordFacts facts;
    facts.generation = 42;
    facts.hash = {0x0123456789abcdef, 0xfedcba9876543210};
    facts.sequence = 1'000'000'007;
    facts.body_bytes = body.size();
    facts.total_bytes = body.size();
    facts.expires_ms = -1;
    return facts;
}

std::string record_of(std::string_view body) {
    return encode_record_head(facts_for(body), "rules\napi\nhost\n/path\n\n", "vary", "metadata \x00 with anything",
                              checksums_of(body));
}

Decoded decode_all(std::string_view bytes, RecordHead& head) { return decode({bytes.data(), bytes.size()}, 42, head); }

template <class Bytes>
std::span<const char> span_of(const Bytes& bytes, std::size_t size) {
    return {bytes.data(), size};
}

} // namespace

TEST_CASE("A segment's header is read as it was written, and never when a bit or a byte of it is missing") {
    const SegmentHeader written = a_segment();
    const auto bytes = encode(written);
    SegmentHeader read;
    CHECK(decode(bytes, read) == Decoded::Whole);
    CHECK(read == written);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        CAPTURE(size);
        CHECK(decode(span_of(bytes, size), read) == Decoded::Damaged);
    }
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
        auto flipped = bytes;
        flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
        CAPTURE(bit);
        CHECK(decode(flipped, read) == Decoded::Damaged);
    }
}

TEST_CASE("A whole header of another version is told from a damaged one") {
    auto bytes = encode(a_segment());
    bytes[7] = '2';
    const std::uint64_t sum = checksum({bytes.data(), 56});
    std::memcpy(bytes.data() + 56, &sum, sizeof sum);
    SegmentHeader read;
    CHECK(decode(bytes, read) == Decoded::OtherVersion);
}

TEST_CASE("A record is read as it was written") {
    struct Row {
        const char* name;
        std::size_t body_bytes;
        std::size_t checksums;
    };
    const Row rows[] = {
        {"empty", 0, 0},
        {"one byte", 1, 1},
        {"one less than a MiB", kMiB - 1, 1},
        {"a MiB", kMiB, 1},
        {"one more than a MiB", kMiB + 1, 2},
        {"three MiB", 3 * kMiB, 3},
    };
    for (const Row& row : rows) {
        CAPTURE(row.name);
        const std::string body(row.body_bytes, 'b');
        const std::string bytes = record_of(body);
        CHECK(bytes.size() % kUnitBytes == 0);
        RecordHead head;
        REQUIRE(decode_all(bytes, head) == Decoded::Whole);
        CHECK(head.facts == facts_for(body));
        CHECK(head.key == "rules\napi\nhost\n/path\n\n");
        CHECK(head.secondary_key == "vary");
        CHECK(head.metadata == "metadata ");
        CHECK(head.body_checksums.size() == row.checksums);
        CHECK(head.body_checksums == checksums_of(body));
        CHECK(head.head_bytes == bytes.size());
        CHECK(head.record_bytes == bytes.size() + (row.body_bytes + 63) / 64 * 64);
        const auto length = record_length(span_of(bytes, kRecordHeaderBytes));
        REQUIRE(length);
        CHECK(length->head_bytes == head.head_bytes);
        CHECK(length->record_bytes == head.record_bytes);
    }
}

TEST_CASE("Padding between head and body counts for the head, and more than there can be is not believed") {
    const std::string body(100'000, 'b');
    const std::size_t unpadded = record_of(body).size();
    for (const std::uint32_t padding : {0U, 1U, kMostPaddingUnits}) {
        CAPTURE(padding);
        RecordFacts facts = facts_for(body);
        facts.padding_units = padding;
        const std::string bytes = encode_record_head(facts, "rules\napi\nhost\n/path\n\n", "vary", "metadata ",
                                                     checksums_of(body));
        CHECK(bytes.size() == unpadded + padding * kUnitBytes);
        RecordHead head;
        REQUIRE(decode_all(bytes, head) == Decoded::Whole);
        CHECK(head.facts == facts);
        CHECK(head.metadata == "metadata ");
        CHECK(head.head_bytes == bytes.size());
        CHECK(head.record_bytes == bytes.size() + padded(body.size()));
        const auto length = record_length(span_of(bytes, kRecordHeaderBytes));
        REQUIRE(length);
        CHECK(length->head_bytes == head.head_bytes);
        CHECK(length->record_bytes == head.record_bytes);
        CHECK(decode_all(std::string_view(bytes).substr(0, length->text_end), head) == Decoded::Whole);
        CHECK(decode_all(std::string_view(bytes).substr(0, length->text_end - 1), head) == Decoded::Damaged);
    }
    RecordFacts facts = facts_for(body);
    facts.padding_units = kMostPaddingUnits + 1;
    CHECK_FALSE(record_length(span_of(encode_record_head(facts, "key", "", "", checksums_of(body)), kRecordHeaderBytes)));
}

TEST_CASE("The body of a long record begins with a page, and no other is padded") {
    const std::uint64_t text = 22;
    const std::uint64_t head_bytes = record_length(text, 1).head_bytes;
    struct Row {
        const char* name;
        std::uint64_t body_bytes;
        bool is_long;
    };
    for (const Row& row : {Row{"empty", 0, false}, Row{"as long as a record is read", kLongRecordBytes - head_bytes, false},
                           Row{"one byte longer", kLongRecordBytes - head_bytes + 1, true}, Row{"long", kMiB, true}}) {
        const RecordLength length = record_length(text, row.body_bytes);
        CAPTURE(row.name);
        CHECK(length.is_long() == row.is_long);
        CHECK(length.most_bytes() - length.record_bytes == (row.is_long ? 4096 - 64 : 0));
        for (std::uint64_t offset = kSegmentHeaderBytes; offset < 3 * 4096; offset += kUnitBytes) {
            CAPTURE(offset);
            const std::uint32_t padding = padding_units_at(offset, length);
            CHECK(padding <= (row.is_long ? kMostPaddingUnits : 0));
            CHECK((!row.is_long || (offset + length.head_bytes + padding * kUnitBytes) % 4096 == 0));
        }
    }
}

TEST_CASE("A record that is torn at any byte, or has any bit flipped, is no record") {
    const std::string bytes = record_of("body");
    RecordHead head;
    const std::size_t used = kRecordHeaderBytes + 22 + 4 + 9 + 8; // without the padding
    for (std::size_t size = 0; size < used; ++size) {
        CAPTURE(size);
        // Read to an end of its own, so that a sanitizer sees who reads further.
        const std::string torn = bytes.substr(0, size);
        CHECK(decode_all(torn, head) == Decoded::Damaged);
    }
    for (std::size_t bit = 0; bit < used * 8; ++bit) {
        std::string flipped = bytes;
        flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
        CAPTURE(bit);
        CHECK(decode_all(flipped, head) == Decoded::Damaged);
    }
}

TEST_CASE("A record of another generation is none: the file held something else before") {
    const std::string bytes = record_of("body");
    RecordHead head;
    CHECK(decode({bytes.data(), bytes.size()}, 41, head) == Decoded::Damaged);
    CHECK(decode({bytes.data(), bytes.size()}, 43, head) == Decoded::Damaged);
}

TEST_CASE("Lengths that no record has are not believed") {
    struct Row {
        const char* name;
        std::size_t at;
        std::uint32_t value;
    };
    const Row rows[] = {
        {"key longer than all heads", 64, 16 * 1024 * 1024},
        {"metadata longer than all heads", 72, std::numeric_limits<std::uint32_t>::max()},
        {"body longer than any segment", 44, 64},
        {"kind 0", 4, 0},
        {"kind 6", 4, 6},
        {"reserved bytes", 4, 0x0100'0001},
        {"more padding than there is", 76, kMostPaddingUnits + 1},
    };
    for (const Row& row : rows) {
        CAPTURE(row.name);
        std::string bytes = record_of("body");
        std::memcpy(bytes.data() + row.at, &row.value, sizeof row.value);
        CHECK_FALSE(record_length(span_of(bytes, bytes.size())));
        RecordHead head;
        CHECK(decode_all(bytes, head) == Decoded::Damaged);
    }
    const std::string whole = record_of("body");
    CHECK_FALSE(record_length(span_of(whole, kRecordHeaderBytes - 1)));
}

TEST_CASE("Random bytes, and records with random changes, are decoded without harm") {
    namespace chance = gatehouse::cache::policy::testing;
    chance::Dice dice(chance::property_seed());
    for (int round = 0; round < 20'000; ++round) {
        std::string bytes = dice.one_in(2) ? record_of(std::string(dice.below(200), 'x')) : std::string();
        bytes.resize(dice.below(400), static_cast<char>(dice.below(256)));
        for (std::size_t i = dice.below(6); i > 0 && !bytes.empty(); --i) {
            bytes[dice.below(bytes.size())] = static_cast<char>(dice.below(256));
        }
        RecordHead head;
        if (decode_all(bytes, head) == Decoded::Whole) {
            CHECK(head.facts.generation == 42);
            CHECK(head.key.size() + head.secondary_key.size() + head.metadata.size() <= bytes.size());
        }
        SegmentHeader segment;
        decode(span_of(bytes, bytes.size()), segment);
        Trailer trailer;
        decode(span_of(bytes, bytes.size()), a_segment(), trailer);
        for (std::size_t places = 0; places < 4; ++places) {
            const std::size_t rest = bytes.size() - std::min(bytes.size(), places * kPlaceBytes);
            decode_footer(bytes, {42, 64, rest / kFooterEntryBytes, 0, checksum(bytes), places});
        }
        decode_places(bytes);
        decode_body_place(bytes);
    }
}

TEST_CASE("A footer is read as it was written, and not when anything of it or of its trailer is wrong") {
    FooterWriter writer;
    std::vector<FooterEntry> written;
    for (std::uint32_t i = 0; i < 100; ++i) {
        written.push_back({{i, ~std::uint64_t{i}},
                           i * 3,
                           -std::int64_t{i},
                           i * 10 + 1,
                           10,
                           static_cast<RecordKind>(1 + i % 5),
                           i * 7,
                           {}});
        if (written.back().kind == RecordKind::Metadata) {
            written.back().body = {i, i + 1, i + 2};
        }
        writer.append(written.back());
    }
    const std::string footer = writer.encoded();
    CHECK(footer.size() == 100 * kFooterEntryBytes + 20 * kPlaceBytes);
    const Trailer trailer{42, 4096, writer.entries(), 297, checksum(footer), writer.places()};
    CHECK(trailer.footer_bytes() == footer.size());
    const auto bytes = encode(trailer);
    Trailer read;
    REQUIRE(decode(bytes, a_segment(), read) == Decoded::Whole);
    CHECK(read == trailer);
    const auto entries = decode_footer(footer, read);
    REQUIRE(entries);
    CHECK(*entries == written);
    for (std::size_t bit = 0; bit < footer.size() * 8; bit += 7) {
        std::string flipped = footer;
        flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
        CHECK_FALSE(decode_footer(flipped, read));
    }
    CHECK_FALSE(decode_footer(std::string_view(footer).substr(1), read));
    CHECK_FALSE(decode_footer(std::string_view(footer).substr(0, footer.size() - kFooterEntryBytes), read));
    // As many places as metadata records, no fewer and no more.
    for (const std::size_t places : {19U, 21U}) {
        CAPTURE(places);
        std::string other = footer;
        other.resize(100 * kFooterEntryBytes + places * kPlaceBytes, '\1');
        CHECK_FALSE(decode_footer(other, {42, 4096, 100, 297, checksum(other), places}));
    }
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
        auto flipped = bytes;
        flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
        CHECK(decode(flipped, a_segment(), read) == Decoded::Damaged);
    }
}

TEST_CASE("A trailer that speaks of another place than the segment has is not believed") {
    struct Row {
        const char* name;
        Trailer trailer;
        std::uint64_t segment_bytes;
        Decoded found;
    };
    const std::uint64_t end = 64 * kMiB - kTrailerBytes;
    const Row rows[] = {
        {"the first place", {42, 64, 0, 0, 0}, 64 * kMiB, Decoded::Whole},
        {"within the header", {42, 0, 0, 0, 0}, 64 * kMiB, Decoded::Damaged},
        {"the last place", {42, end, 0, 0, 0}, 64 * kMiB, Decoded::Whole},
        {"behind it", {42, end + 64, 0, 0, 0}, 64 * kMiB, Decoded::Damaged},
        {"between two units", {42, 100, 0, 0, 0}, 64 * kMiB, Decoded::Damaged},
        {"as many entries as there is room for", {42, end - 64, 1, 0, 0}, 64 * kMiB, Decoded::Whole},
        {"one more", {42, end - 64, 2, 0, 0}, 64 * kMiB, Decoded::Damaged},
        {"more than can be counted", {42, 64, ~std::uint64_t{0}, 0, 0}, 64 * kMiB, Decoded::Damaged},
        {"a place for which there is room", {42, end - 64, 1, 0, 0, 1}, 64 * kMiB, Decoded::Whole},
        {"a place for which there is none", {42, end - 128, 2, 0, 0, 3}, 64 * kMiB, Decoded::Damaged},
        {"more places than records", {42, 64, 0, 0, 0, 1}, 64 * kMiB, Decoded::Damaged},
        {"more places than can be counted", {42, 64, 1, 0, 0, ~std::uint64_t{0}}, 64 * kMiB, Decoded::Damaged},
        {"another generation", {41, 64, 0, 0, 0}, 64 * kMiB, Decoded::Damaged},
        {"a segment without room", {42, 64, 0, 0, 0}, 127, Decoded::Damaged},
    };
    for (const Row& row : rows) {
        CAPTURE(row.name);
        SegmentHeader segment = a_segment();
        segment.segment_bytes = row.segment_bytes;
        Trailer read;
        CHECK(decode(encode(row.trailer), segment, read) == row.found);
    }
}

TEST_CASE("Places are read as they were written, and a list that is cut is none") {
    std::string body;
    append_place(body, {1, 2, 3});
    append_place(body, {0xffff'ffff, 0xffff'fffe, ~std::uint64_t{0}});
    const auto places = decode_places(body);
    REQUIRE(places);
    CHECK(*places == std::vector<Place>{{1, 2, 3}, {0xffff'ffff, 0xffff'fffe, ~std::uint64_t{0}}});
    CHECK_FALSE(decode_places(std::string_view(body).substr(1)));
    CHECK_FALSE(decode_places(""));
}

TEST_CASE("The place of a body is read as it was written, and not when it is cut or has more") {
    const BodyPlace written{{7, 0xffff'fffe, ~std::uint64_t{0}}, 0xffff'ffff};
    const std::string bytes = encode(written);
    CHECK(decode_body_place(bytes) == written);
    CHECK_FALSE(decode_body_place(bytes + '\0'));
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        CHECK_FALSE(decode_body_place(std::string_view(bytes).substr(0, size)));
    }
    std::string reserved = bytes;
    reserved.back() = 1;
    CHECK_FALSE(decode_body_place(reserved));
}

TEST_CASE("The length of a record is known before it is encoded") {
    for (const std::size_t body_bytes :
         {std::size_t{0}, std::size_t{1}, std::size_t{64}, std::size_t{1024 * 1024 + 1}}) {
        CAPTURE(body_bytes);
        const std::string body(body_bytes, 'x');
        const std::string head = record_of(body);
        RecordHead read;
        REQUIRE(decode_all(head, read) == Decoded::Whole);
        const std::size_t text = read.key.size() + read.secondary_key.size() + read.metadata.size();
        CHECK(record_length(text, body_bytes).head_bytes == head.size());
        CHECK(record_length(text, body_bytes).record_bytes == read.record_bytes);
    }
}
