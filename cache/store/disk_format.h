// The bytes of the disk store, as docs/formats/disk.md has them: pure functions between values and bytes, for segment
// headers, records, footers and trailers. No file is touched here.
//
// Decoders take whatever bytes there are, from a torn write or another program, and say Damaged; they never read past
// what they are given.
#pragma once

#include "cache/store/secret_hash.h"
#include "cache/store/store.h"

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gatehouse::cache::store::disk {

inline constexpr std::uint32_t kFormatVersion = 1;
inline constexpr std::size_t kUnitBytes = 64; // records, footers and trailers begin at multiples of it
inline constexpr std::size_t kSegmentHeaderBytes = 64;
inline constexpr std::size_t kTrailerBytes = 64;
inline constexpr std::size_t kRecordHeaderBytes = 96;
inline constexpr std::size_t kFooterEntryBytes = 48;
inline constexpr std::size_t kPlaceBytes = 16;
inline constexpr std::size_t kBodyPlaceBytes = 24;
inline constexpr std::uint64_t kBodyBytesPerChecksum = 1024 * 1024;
// What is longer is sent from its file, without being read. It is quicker for the kernel from the beginning of a page on.
inline constexpr std::uint64_t kLongRecordBytes = 64 * 1024;
inline constexpr std::uint64_t kLongBodyAlignment = 4096;
inline constexpr std::uint32_t kMostPaddingUnits = kLongBodyAlignment / kUnitBytes - 1;
// What a record's key, secondary key and metadata may have together: far more than limits.response_head_size and a key
// have, and little enough that a damaged length is not believed.
inline constexpr std::uint64_t kMostHeadBytes = 16 * 1024 * 1024;

using StoreId = std::array<unsigned char, 16>;

constexpr std::uint64_t padded(std::uint64_t bytes) noexcept {
    return (bytes + kUnitBytes - 1) / kUnitBytes * kUnitBytes;
}

enum class Decoded : std::uint8_t {
    Whole,
    OtherVersion, // well-formed, but not ours to read
    Damaged       // not what it should be, or not all of it
};

// What the file `identity` says: which store it is, by which secret its keys are hashed, and which version the metadata
// of its records has, which the store itself does not read.
struct Identity {
    StoreId store{};
    HashSecret secret{};
    std::uint64_t metadata_version = 0;
    bool operator==(const Identity&) const = default;
};
inline constexpr std::size_t kIdentityBytes = 8 + sizeof(StoreId) + sizeof(HashSecret) + 8 + 8;
std::array<char, kIdentityBytes> encode(const Identity& identity) noexcept;
Decoded decode(std::span<const char> bytes, Identity& identity) noexcept;

struct SegmentHeader {
    std::uint32_t number = 0;
    std::uint64_t generation = 0;
    std::uint64_t segment_bytes = 0;
    StoreId store{};
    std::uint64_t oldest_generation = 0; // segments of a smaller one were given up when this one was begun
    bool operator==(const SegmentHeader&) const = default;
};
std::array<char, kSegmentHeaderBytes> encode(const SegmentHeader& header) noexcept;
Decoded decode(std::span<const char> bytes, SegmentHeader& header) noexcept;

// Where a record stands.
struct Place {
    std::uint32_t segment = 0;
    std::uint32_t units = 0; // offset in units of kUnitBytes
    std::uint64_t generation = 0;
    bool operator==(const Place&) const = default;
};
void append_place(std::string& out, const Place& place);
// The places of a manifest. nullopt: `body` is no list of places.
std::optional<std::vector<Place>> decode_places(std::string_view body);

// The body of a metadata record: the record that has the body, and how long that is as a whole.
struct BodyPlace {
    Place place;
    std::uint32_t length_units = 0;
    bool operator==(const BodyPlace&) const = default;
};
std::string encode(const BodyPlace& body);
std::optional<BodyPlace> decode_body_place(std::string_view body) noexcept;

enum class RecordKind : std::uint8_t { Whole = 1, Chunk = 2, Manifest = 3, Metadata = 4, Removed = 5 };

struct RecordFacts {
    RecordKind kind = RecordKind::Whole;
    std::uint64_t generation = 0;
    KeyHash hash; // by the store's own secret
    std::uint64_t sequence = 0;
    std::uint64_t body_bytes = 0;  // in this record
    std::uint64_t total_bytes = 0; // of the whole body
    std::uint64_t body_offset = 0; // Chunk: where it lies in the whole
    std::int64_t expires_ms = 0;   // a hint, since 1970
    // Zeros between head and body, beside those that fill up the last unit of the head; at most kMostPaddingUnits.
    std::uint32_t padding_units = 0;
    bool operator==(const RecordFacts&) const = default;
};

// What stands in front of a record's body: header, texts, body checksums and padding. `body_checksums`: see
// checksums_of(). Requires: the texts have at most kMostHeadBytes together.
std::string encode_record_head(const RecordFacts& facts, std::string_view key, std::string_view secondary_key,
                               std::string_view metadata, std::span<const std::uint64_t> body_checksums);

struct RecordHead {
    RecordFacts facts;
    std::string_view key; // the texts refer to the bytes that were decoded
    std::string_view secondary_key;
    std::string_view metadata;
    std::vector<std::uint64_t> body_checksums;
    std::uint64_t head_bytes = 0;   // from the record's beginning to its body
    std::uint64_t record_bytes = 0; // to the beginning of the next one
};
// `bytes` begin where the record does. Damaged: no whole head of a record of that generation.
Decoded decode(std::span<const char> bytes, std::uint64_t generation, RecordHead& head);
// How long the head and the whole record will be, without padding units. `text_bytes`: of key, secondary key and metadata.
struct RecordLength {
    std::uint64_t text_end = 0;   // of the head, as much as decode() looks at
    std::uint64_t head_bytes = 0; // up to the body
    std::uint64_t record_bytes = 0;
    bool is_long() const noexcept { return record_bytes > kLongRecordBytes; }
    // Of a whole record, with as much padding as it may get, wherever it stands.
    std::uint64_t most_bytes() const noexcept {
        return record_bytes + (is_long() ? kMostPaddingUnits * kUnitBytes : 0);
    }
};
RecordLength record_length(std::uint64_t text_bytes, std::uint64_t body_bytes) noexcept;
// Has the body of a long whole record that begins at `offset` begin with a page of the file. 0: it is not long.
std::uint32_t padding_units_at(std::uint64_t offset, const RecordLength& length) noexcept;
// How long the head and the whole record are, from its first kRecordHeaderBytes alone; nothing is checked but that the
// numbers make sense. For who reads a record piece by piece.
std::optional<RecordLength> record_length(std::span<const char> header) noexcept;

// Whether what begins with these kRecordHeaderBytes may be a record of that generation.
bool begins_record(std::span<const char> header, std::uint64_t generation) noexcept;

// One for each MiB of the body that was begun; none for an empty body.
std::vector<std::uint64_t> checksums_of(std::string_view body);
std::uint64_t checksum(std::string_view bytes) noexcept;

struct FooterEntry {
    KeyHash hash;
    std::uint64_t sequence = 0;
    std::int64_t expires_ms = 0;
    std::uint32_t units = 0;        // offset of the record
    std::uint32_t length_units = 0; // of the record
    RecordKind kind = RecordKind::Whole;
    std::uint32_t secondary_hash = 0;
    Place body; // Metadata: the record that has the body
    bool operator==(const FooterEntry&) const = default;
};

// A footer as it grows: the entries, then a place for each of them that is of a metadata record.
class FooterWriter {
public:
    void append(const FooterEntry& entry);
    void clear() noexcept;
    std::uint64_t entries() const noexcept { return entries_.size() / kFooterEntryBytes; }
    std::uint64_t places() const noexcept { return places_.size() / kPlaceBytes; }
    std::string encoded() const { return entries_ + places_; }
    // With so many entries more, whatever they are.
    std::uint64_t most_bytes_with(std::uint64_t more) const noexcept {
        return entries_.size() + places_.size() + more * (kFooterEntryBytes + kPlaceBytes);
    }

private:
    std::string entries_;
    std::string places_;
};

struct Trailer {
    std::uint64_t generation = 0;
    std::uint64_t footer_offset = 0;
    std::uint64_t entries = 0;
    std::uint64_t largest_sequence = 0;
    std::uint64_t footer_checksum = 0;
    std::uint64_t places = 0; // behind the entries
    std::uint64_t footer_bytes() const noexcept { return entries * kFooterEntryBytes + places * kPlaceBytes; }
    bool operator==(const Trailer&) const = default;
};
std::array<char, kTrailerBytes> encode(const Trailer& trailer) noexcept;
// Damaged also where the footer would not lie between header and trailer.
Decoded decode(std::span<const char> bytes, const SegmentHeader& segment, Trailer& trailer) noexcept;
// nullopt: it is not the footer that the trailer speaks of.
std::optional<std::vector<FooterEntry>> decode_footer(std::string_view footer, const Trailer& trailer);

} // namespace gatehouse::cache::store::disk
