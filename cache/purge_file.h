// Purges that survive the process: the memory that PurgeLog keeps them in is a file (docs/formats/disk.md, "Purges").
//
// The file `purges` has a fixed size, is allocated in full when it is opened, and is mapped. A purge is a handful of
// stores into that memory: it is in the kernel before it is answered, without a call that an event loop could wait in,
// and it is there for the next process however this one ends.
//
// A process that is killed between any two instructions leaves what it had stored in the order of its program: an
// interrupt is taken between instructions, and the stores of all before it become visible. What the compiler could
// reorder is kept in order by release stores and fences. So each change has an order in which every step leaves a file
// that kills at least what was answered:
// - A set of a table: the floor is raised before the slot is taken (cache/purge_table.cpp).
// - The newest number of a kind of purge is raised after the tables have the purge: it keeps others from looking in
// vain.
// - A prefix is written into a free slot, and its number last, which is what makes the slot count. What it takes the
//   place of is dropped after that. Killed in between, both are there; a start drops what another one covers. A purge
//   of everything is a number alone.
// - The largest number is nowhere: a start looks for it in what is there.
//
// A power failure is another thing: pages reach the disk in any order, or not at all. It is told by the machine's boot
// id, and by the lack of a mark that a clean stop makes. Then, and whenever the file cannot be believed, it is replaced
// by an empty one, and what was stored before has to be purged as a whole. PurgeLog's constructor does that; a file for
// which it was not done yet (the process was killed in between) counts as new again.
//
// The file belongs to who holds the directory's LOCK. Whoever else shortens it ends the process by SIGBUS.
#pragma once

#include "cache/purge_table.h"
#include "cache/store/disk_format.h"
#include "cache/store/secret_hash.h"

#include <boost/system/result.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gatehouse::cache {

// Without authority: every host.
struct PurgePrefix {
    std::optional<std::string> authority;
    std::string path;
    std::uint64_t number = 0;
    bool operator==(const PurgePrefix&) const = default;
};

class PurgeFile {
public:
    static constexpr std::uint32_t kVersion = 1;
    static constexpr std::size_t kPathSets = 1024; // 64 KiB
    static constexpr std::size_t kPrefixSlots = 1028;
    static constexpr std::size_t kMinFreeSlots = 2; // in a file that is believed
    static constexpr std::size_t kKinds = 8;        // of exact purges, for PurgeLog to say
    // Of one prefix. A longer path is cut, a longer authority left out: it then kills more.
    static constexpr std::size_t kPrefixAuthority = 256;
    static constexpr std::size_t kPrefixPath = 736;
    // Of all numbers, with room to spare in the 48 bits of a table.
    static constexpr std::uint64_t kMaxNumber = std::uint64_t{1} << 47;

    static constexpr std::size_t kHeaderBytes = 4096;
    static constexpr std::size_t kNewestAt = 512; // from here on, what the mark of a clean stop has the checksum of
    static constexpr std::size_t kEverythingAt = 640;
    static constexpr std::size_t kExactAt = kHeaderBytes;
    static constexpr std::size_t kAnyHostAt = kExactAt + PurgeTable::kSets * sizeof(PurgeTable::Set);
    static constexpr std::size_t kPathsAt = kAnyHostAt + PurgeTable::kSets * sizeof(PurgeTable::Set);
    static constexpr std::size_t kPrefixesAt = kPathsAt + kPathSets * sizeof(PurgeTable::Set);
    static constexpr std::size_t kPrefixBytes = 1024;
    static constexpr std::size_t kFileBytes = kPrefixesAt + kPrefixSlots * kPrefixBytes;

    enum class Found : std::uint8_t {
        Restored,     // what it has is in force
        New,          // there was none, or one that nobody has purged everything for yet
        OtherVersion, // from here on: it was replaced
        OtherStore,
        Damaged,
        PowerFailure // it was not closed, and the machine has been started since
    };

    // The machine's, from /proc; empty where that cannot be read. Then only a file that was closed is believed.
    static std::string current_boot_id();
    // Makes the file where there is none, for its owner only. An error: it cannot be opened, made or mapped, or the
    // file system has no room for it. Throws std::system_error without random numbers, std::bad_alloc.
    static boost::system::result<std::unique_ptr<PurgeFile>> open(const std::string& path,
                                                                  const store::disk::StoreId& store_id,
                                                                  const std::string& boot_id = current_boot_id());
    // The same without a file: gone with the process. Throws as open().
    static std::unique_ptr<PurgeFile> in_memory();
    // A clean stop: writes everything back and marks the file as closed. It waits for the disk.
    ~PurgeFile();
    PurgeFile(const PurgeFile&) = delete;
    PurgeFile& operator=(const PurgeFile&) = delete;

    Found found() const noexcept { return found_; }
    // What was stored before is dead by what was recorded since: from now on the file is believed.
    void settle() noexcept;
    // The opposite: a start after a kill or a stop takes the file for a new one, so that all that was stored is dead.
    void unsettle() noexcept;

    const store::HashSecret& secret() const noexcept { return secret_; }
    std::span<PurgeTable::Set> exact() noexcept { return sets(kExactAt, PurgeTable::kSets); }
    std::span<PurgeTable::Set> any_host() noexcept { return sets(kAnyHostAt, PurgeTable::kSets); }
    // The newest number of each kind in exact() and in any_host().
    using Newest = std::span<std::atomic<std::uint64_t>, kKinds>;
    Newest exact_newest() noexcept { return newest(kNewestAt); }
    Newest any_host_newest() noexcept { return newest(kNewestAt + kKinds * sizeof(std::uint64_t)); }
    // Everything that has a smaller number is dead.
    std::atomic<std::uint64_t>& everything() noexcept;
    std::span<PurgeTable::Set> paths() noexcept { return sets(kPathsAt, kPathSets); }

    struct StoredPrefix {
        std::size_t slot = 0;
        PurgePrefix prefix;
    };
    // What was there when the file was opened, in no order.
    const std::vector<StoredPrefix>& found_prefixes() const noexcept { return found_prefixes_; }
    // One caller at a time. Precondition: not all slots are taken. Returns the slot.
    std::size_t add_prefix(const std::optional<std::string>& authority, std::string_view path,
                           std::uint64_t number) noexcept;
    void drop_prefix(std::size_t slot) noexcept;

private:
    // `pages`: kFileBytes; unmapped by the destructor.
    PurgeFile(char* pages, bool is_file);
    static boost::system::result<std::unique_ptr<PurgeFile>> replace(const std::string& path,
                                                                     const store::disk::StoreId& store_id,
                                                                     const std::string& boot_id, Found found);
    std::span<PurgeTable::Set> sets(std::size_t offset, std::size_t count) noexcept;
    Newest newest(std::size_t offset) noexcept;
    Found check_state(const std::string& boot_id);
    void begin_anew(const std::string& boot_id) noexcept;
    bool restore();
    bool restore_prefix(std::size_t slot);
    bool write_back(std::size_t bytes) noexcept;

    char* pages_; // kFileBytes
    bool is_file_;
    Found found_ = Found::Restored;
    store::HashSecret secret_{};
    std::vector<StoredPrefix> found_prefixes_;
    std::vector<std::uint16_t> free_slots_;
};

} // namespace gatehouse::cache
