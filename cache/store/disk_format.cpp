#include "cache/store/disk_format.h"

#include <bit>
#include <cstring>
#include <limits>
#include <utility>

#include <xxhash.h>

namespace gatehouse::cache::store::disk {

namespace {

static_assert(std::endian::native == std::endian::little, "numbers are copied as they are");

constexpr std::string_view kIdentityMagic = "GHSTORE"; // and the version as a digit
constexpr std::string_view kSegmentMagic = "GHSEGMT"; // and the version as a digit
constexpr std::string_view kTrailerMagic = "GHSEALD";
constexpr char kVersionDigit = '0' + kFormatVersion;
constexpr std::string_view kRecordMagic = "GHRC";
constexpr std::size_t kRecordChecksumAt = 88;
constexpr std::size_t kBlockChecksumAt = 56; // in headers and trailers of segments

template <class Number>
void put(char* bytes, std::size_t at, Number number) noexcept {
    std::memcpy(bytes + at, &number, sizeof number);
}

template <class Number>
Number get(const char* bytes, std::size_t at) noexcept {
    Number number;
    std::memcpy(&number, bytes + at, sizeof number);
    return number;
}

Place get_place(const char* bytes) noexcept {
    return {get<std::uint32_t>(bytes, 0), get<std::uint32_t>(bytes, 4), get<std::uint64_t>(bytes, 8)};
}

constexpr std::uint64_t checksums_for(std::uint64_t body_bytes) noexcept {
    return body_bytes / kBodyBytesPerChecksum + (body_bytes % kBodyBytesPerChecksum == 0 ? 0 : 1);
}

constexpr bool is_kind(unsigned char byte) noexcept {
    return byte >= static_cast<unsigned char>(RecordKind::Whole) &&
           byte <= static_cast<unsigned char>(RecordKind::Removed);
}

bool is_zero(const char* bytes, std::size_t from, std::size_t count) noexcept {
    for (std::size_t i = from; i < from + count; ++i) {
        if (bytes[i] != 0) {
            return false;
        }
    }
    return true;
}

// Magic, version digit and checksum of a block of 64 bytes.
Decoded check_block(std::span<const char> bytes, std::string_view magic) noexcept {
    if (bytes.size() < kUnitBytes || std::string_view(bytes.data(), magic.size()) != magic ||
        get<std::uint64_t>(bytes.data(), kBlockChecksumAt) != checksum({bytes.data(), kBlockChecksumAt})) {
        return Decoded::Damaged;
    }
    return bytes[magic.size()] == kVersionDigit ? Decoded::Whole : Decoded::OtherVersion;
}

void seal_block(char* bytes, std::string_view magic) noexcept {
    std::memcpy(bytes, magic.data(), magic.size());
    bytes[magic.size()] = kVersionDigit;
    put(bytes, kBlockChecksumAt, checksum({bytes, kBlockChecksumAt}));
}

struct HeaderNumbers {
    RecordFacts facts;
    std::uint32_t key_bytes = 0;
    std::uint32_t secondary_bytes = 0;
    std::uint32_t metadata_bytes = 0;
    std::uint64_t text_bytes() const noexcept { return std::uint64_t{key_bytes} + secondary_bytes + metadata_bytes; }
    RecordLength length() const noexcept {
        RecordLength out = record_length(text_bytes(), facts.body_bytes);
        out.head_bytes += facts.padding_units * kUnitBytes;
        out.record_bytes += facts.padding_units * kUnitBytes;
        return out;
    }
};

// nullopt: these are no numbers of a record.
std::optional<HeaderNumbers> read_header(std::span<const char> header) noexcept {
    if (header.size() < kRecordHeaderBytes || std::string_view(header.data(), kRecordMagic.size()) != kRecordMagic) {
        return std::nullopt;
    }
    const char* bytes = header.data();
    const auto kind = static_cast<unsigned char>(bytes[4]);
    if (!is_kind(kind) || !is_zero(bytes, 5, 3)) {
        return std::nullopt;
    }
    HeaderNumbers out;
    out.facts.kind = static_cast<RecordKind>(kind);
    out.facts.generation = get<std::uint64_t>(bytes, 8);
    out.facts.hash = {get<std::uint64_t>(bytes, 16), get<std::uint64_t>(bytes, 24)};
    out.facts.sequence = get<std::uint64_t>(bytes, 32);
    out.facts.body_bytes = get<std::uint64_t>(bytes, 40);
    out.facts.total_bytes = get<std::uint64_t>(bytes, 48);
    out.facts.body_offset = get<std::uint64_t>(bytes, 56);
    out.key_bytes = get<std::uint32_t>(bytes, 64);
    out.secondary_bytes = get<std::uint32_t>(bytes, 68);
    out.metadata_bytes = get<std::uint32_t>(bytes, 72);
    out.facts.padding_units = get<std::uint32_t>(bytes, 76);
    out.facts.expires_ms = get<std::int64_t>(bytes, 80);
    // No body is longer than a segment, whose offsets are units in 32 bits.
    constexpr std::uint64_t kMostBody = std::uint64_t{std::numeric_limits<std::uint32_t>::max()} * kUnitBytes;
    const bool makes_sense = out.text_bytes() <= kMostHeadBytes && out.facts.body_bytes <= kMostBody &&
                             out.facts.padding_units <= kMostPaddingUnits;
    return makes_sense ? std::optional(out) : std::nullopt;
}

// Of the header up to the checksum itself, and with that as the seed of everything behind the header.
std::uint64_t head_checksum(std::string_view head) noexcept {
    const std::string_view rest = head.substr(kRecordHeaderBytes);
    return XXH3_64bits_withSeed(rest.data(), rest.size(), checksum(head.substr(0, kRecordChecksumAt)));
}

} // namespace

std::uint64_t checksum(std::string_view bytes) noexcept { return XXH3_64bits(bytes.data(), bytes.size()); }

std::vector<std::uint64_t> checksums_of(std::string_view body) {
    std::vector<std::uint64_t> out;
    out.reserve(checksums_for(body.size()));
    while (!body.empty()) {
        const std::string_view piece = body.substr(0, kBodyBytesPerChecksum);
        out.push_back(checksum(piece));
        body.remove_prefix(piece.size());
    }
    return out;
}

std::array<char, kIdentityBytes> encode(const Identity& identity) noexcept {
    std::array<char, kIdentityBytes> out{};
    std::memcpy(out.data(), kIdentityMagic.data(), kIdentityMagic.size());
    out[kIdentityMagic.size()] = kVersionDigit;
    std::memcpy(out.data() + 8, identity.store.data(), identity.store.size());
    std::memcpy(out.data() + 24, identity.secret.data(), identity.secret.size());
    put(out.data(), kIdentityBytes - 16, identity.metadata_version);
    put(out.data(), kIdentityBytes - 8, checksum({out.data(), kIdentityBytes - 8}));
    return out;
}

Decoded decode(std::span<const char> bytes, Identity& identity) noexcept {
    if (bytes.size() != kIdentityBytes || !std::string_view(bytes.data(), 8).starts_with(kIdentityMagic) ||
        get<std::uint64_t>(bytes.data(), kIdentityBytes - 8) != checksum({bytes.data(), kIdentityBytes - 8})) {
        return Decoded::Damaged;
    }
    if (bytes[kIdentityMagic.size()] != kVersionDigit) {
        return Decoded::OtherVersion;
    }
    std::memcpy(identity.store.data(), bytes.data() + 8, identity.store.size());
    std::memcpy(identity.secret.data(), bytes.data() + 24, identity.secret.size());
    identity.metadata_version = get<std::uint64_t>(bytes.data(), kIdentityBytes - 16);
    return Decoded::Whole;
}

std::array<char, kSegmentHeaderBytes> encode(const SegmentHeader& header) noexcept {
    std::array<char, kSegmentHeaderBytes> out{};
    put(out.data(), 8, kFormatVersion);
    put(out.data(), 12, header.number);
    put(out.data(), 16, header.generation);
    put(out.data(), 24, header.segment_bytes);
    std::memcpy(out.data() + 32, header.store.data(), header.store.size());
    put(out.data(), 48, header.oldest_generation);
    seal_block(out.data(), kSegmentMagic);
    return out;
}

Decoded decode(std::span<const char> bytes, SegmentHeader& header) noexcept {
    if (const Decoded found = check_block(bytes, kSegmentMagic); found != Decoded::Whole) {
        return found;
    }
    if (get<std::uint32_t>(bytes.data(), 8) != kFormatVersion) {
        return Decoded::OtherVersion;
    }
    header.number = get<std::uint32_t>(bytes.data(), 12);
    header.generation = get<std::uint64_t>(bytes.data(), 16);
    header.segment_bytes = get<std::uint64_t>(bytes.data(), 24);
    std::memcpy(header.store.data(), bytes.data() + 32, header.store.size());
    header.oldest_generation = get<std::uint64_t>(bytes.data(), 48);
    return Decoded::Whole;
}

void append_place(std::string& out, const Place& place) {
    const std::size_t at = out.size();
    out.resize(at + kPlaceBytes);
    put(out.data(), at, place.segment);
    put(out.data(), at + 4, place.units);
    put(out.data(), at + 8, place.generation);
}

std::optional<std::vector<Place>> decode_places(std::string_view body) {
    if (body.empty() || body.size() % kPlaceBytes != 0) {
        return std::nullopt;
    }
    std::vector<Place> out(body.size() / kPlaceBytes);
    for (std::size_t i = 0; i < out.size(); ++i) {
        out[i] = get_place(body.data() + i * kPlaceBytes);
    }
    return out;
}

std::string encode(const BodyPlace& body) {
    std::string out;
    append_place(out, body.place);
    out.resize(kBodyPlaceBytes, '\0');
    put(out.data(), kPlaceBytes, body.length_units);
    return out;
}

std::optional<BodyPlace> decode_body_place(std::string_view body) noexcept {
    if (body.size() != kBodyPlaceBytes || !is_zero(body.data(), kPlaceBytes + 4, 4)) {
        return std::nullopt;
    }
    return BodyPlace{get_place(body.data()), get<std::uint32_t>(body.data(), kPlaceBytes)};
}

std::string encode_record_head(const RecordFacts& facts, std::string_view key, std::string_view secondary_key,
                               std::string_view metadata, std::span<const std::uint64_t> body_checksums) {
    std::string out(kRecordHeaderBytes, '\0');
    char* bytes = out.data();
    std::memcpy(bytes, kRecordMagic.data(), kRecordMagic.size());
    bytes[4] = static_cast<char>(facts.kind);
    put(bytes, 8, facts.generation);
    put(bytes, 16, facts.hash.low);
    put(bytes, 24, facts.hash.high);
    put(bytes, 32, facts.sequence);
    put(bytes, 40, facts.body_bytes);
    put(bytes, 48, facts.total_bytes);
    put(bytes, 56, facts.body_offset);
    put(bytes, 64, static_cast<std::uint32_t>(key.size()));
    put(bytes, 68, static_cast<std::uint32_t>(secondary_key.size()));
    put(bytes, 72, static_cast<std::uint32_t>(metadata.size()));
    put(bytes, 76, facts.padding_units);
    put(bytes, 80, facts.expires_ms);
    out.append(key).append(secondary_key).append(metadata);
    out.append(reinterpret_cast<const char*>(body_checksums.data()), body_checksums.size_bytes());
    put(out.data(), kRecordChecksumAt, head_checksum(out));
    out.resize(padded(out.size()) + facts.padding_units * kUnitBytes, '\0');
    return out;
}

RecordLength record_length(std::uint64_t text_bytes, std::uint64_t body_bytes) noexcept {
    const std::uint64_t text_end = kRecordHeaderBytes + text_bytes + 8 * checksums_for(body_bytes);
    return {text_end, padded(text_end), padded(text_end) + padded(body_bytes)};
}

std::optional<RecordLength> record_length(std::span<const char> header) noexcept {
    const auto numbers = read_header(header);
    return numbers ? std::optional(numbers->length()) : std::nullopt;
}

bool begins_record(std::span<const char> header, std::uint64_t generation) noexcept {
    const auto numbers = read_header(header);
    return numbers && numbers->facts.generation == generation;
}

std::uint32_t padding_units_at(std::uint64_t offset, const RecordLength& length) noexcept {
    const std::uint64_t in_page = (offset + length.head_bytes) % kLongBodyAlignment;
    return length.is_long() && in_page > 0 ? static_cast<std::uint32_t>((kLongBodyAlignment - in_page) / kUnitBytes) : 0;
}

Decoded decode(std::span<const char> bytes, std::uint64_t generation, RecordHead& head) {
    const auto numbers = read_header(bytes);
    const RecordLength length = numbers ? numbers->length() : RecordLength();
    if (!numbers || numbers->facts.generation != generation || bytes.size() < length.text_end) {
        return Decoded::Damaged;
    }
    const std::string_view text(bytes.data(), length.text_end);
    if (get<std::uint64_t>(text.data(), kRecordChecksumAt) != head_checksum(text)) {
        return Decoded::Damaged;
    }
    head.facts = numbers->facts;
    head.key = text.substr(kRecordHeaderBytes, numbers->key_bytes);
    head.secondary_key = text.substr(kRecordHeaderBytes + numbers->key_bytes, numbers->secondary_bytes);
    head.metadata =
        text.substr(kRecordHeaderBytes + numbers->key_bytes + numbers->secondary_bytes, numbers->metadata_bytes);
    const std::size_t checksums_at = kRecordHeaderBytes + numbers->text_bytes();
    head.body_checksums.resize(checksums_for(head.facts.body_bytes));
    for (std::size_t i = 0; i < head.body_checksums.size(); ++i) {
        head.body_checksums[i] = get<std::uint64_t>(text.data(), checksums_at + 8 * i);
    }
    head.head_bytes = length.head_bytes;
    head.record_bytes = length.record_bytes;
    return Decoded::Whole;
}

void FooterWriter::append(const FooterEntry& entry) {
    const std::size_t at = entries_.size();
    entries_.resize(at + kFooterEntryBytes, '\0');
    char* bytes = entries_.data() + at;
    put(bytes, 0, entry.hash.low);
    put(bytes, 8, entry.hash.high);
    put(bytes, 16, entry.sequence);
    put(bytes, 24, entry.expires_ms);
    put(bytes, 32, entry.units);
    put(bytes, 36, entry.length_units);
    bytes[40] = static_cast<char>(entry.kind);
    put(bytes, 44, entry.secondary_hash);
    if (entry.kind == RecordKind::Metadata) {
        append_place(places_, entry.body);
    }
}

void FooterWriter::clear() noexcept {
    entries_.clear();
    places_.clear();
}

std::array<char, kTrailerBytes> encode(const Trailer& trailer) noexcept {
    std::array<char, kTrailerBytes> out{};
    put(out.data(), 8, trailer.generation);
    put(out.data(), 16, trailer.footer_offset);
    put(out.data(), 24, trailer.entries);
    put(out.data(), 32, trailer.largest_sequence);
    put(out.data(), 40, trailer.footer_checksum);
    put(out.data(), 48, trailer.places);
    seal_block(out.data(), kTrailerMagic);
    return out;
}

Decoded decode(std::span<const char> bytes, const SegmentHeader& segment, Trailer& trailer) noexcept {
    if (const Decoded found = check_block(bytes, kTrailerMagic); found != Decoded::Whole) {
        return found;
    }
    Trailer read;
    read.generation = get<std::uint64_t>(bytes.data(), 8);
    read.footer_offset = get<std::uint64_t>(bytes.data(), 16);
    read.entries = get<std::uint64_t>(bytes.data(), 24);
    read.largest_sequence = get<std::uint64_t>(bytes.data(), 32);
    read.footer_checksum = get<std::uint64_t>(bytes.data(), 40);
    read.places = get<std::uint64_t>(bytes.data(), 48);
    const bool has_room = segment.segment_bytes >= kSegmentHeaderBytes + kTrailerBytes;
    const std::uint64_t end = has_room ? segment.segment_bytes - kTrailerBytes : 0;
    const bool fits = read.generation == segment.generation && read.footer_offset >= kSegmentHeaderBytes &&
                      read.footer_offset <= end && read.footer_offset % kUnitBytes == 0 &&
                      read.entries <= (end - read.footer_offset) / kFooterEntryBytes && read.places <= read.entries &&
                      read.footer_bytes() <= end - read.footer_offset;
    if (!fits) {
        return Decoded::Damaged;
    }
    trailer = read;
    return Decoded::Whole;
}

std::optional<std::vector<FooterEntry>> decode_footer(std::string_view footer, const Trailer& trailer) {
    if (footer.size() != trailer.footer_bytes() || checksum(footer) != trailer.footer_checksum) {
        return std::nullopt;
    }
    std::vector<FooterEntry> out(trailer.entries);
    std::size_t place_at = trailer.entries * kFooterEntryBytes;
    for (std::size_t i = 0; i < out.size(); ++i) {
        const char* bytes = footer.data() + i * kFooterEntryBytes;
        const auto kind = static_cast<unsigned char>(bytes[40]);
        if (!is_kind(kind)) {
            return std::nullopt;
        }
        FooterEntry& entry = out[i];
        entry.hash = {get<std::uint64_t>(bytes, 0), get<std::uint64_t>(bytes, 8)};
        entry.sequence = get<std::uint64_t>(bytes, 16);
        entry.expires_ms = get<std::int64_t>(bytes, 24);
        entry.units = get<std::uint32_t>(bytes, 32);
        entry.length_units = get<std::uint32_t>(bytes, 36);
        entry.kind = static_cast<RecordKind>(kind);
        entry.secondary_hash = get<std::uint32_t>(bytes, 44);
        if (entry.kind == RecordKind::Metadata) {
            if (place_at + kPlaceBytes > footer.size()) {
                return std::nullopt;
            }
            entry.body = get_place(footer.data() + place_at);
            place_at += kPlaceBytes;
        }
    }
    return place_at == footer.size() ? std::optional(std::move(out)) : std::nullopt;
}

} // namespace gatehouse::cache::store::disk
