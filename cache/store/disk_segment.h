// One segment of the disk store's log, as it is known while the log is open; and what its parts share.
#pragma once

#include "cache/store/disk_files.h"
#include "cache/store/disk_format.h"
#include "cache/store/disk_index.h"

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>

namespace gatehouse::cache::store::disk {

std::string segment_file_name(std::uint32_t number);
// nullopt: the name is none of a segment.
std::optional<std::uint32_t> segment_number(std::string_view name) noexcept;

// Which pieces of large bodies in one use of a segment were found right since the start.
class CheckedPlaces {
public:
    bool has(std::uint32_t units) const {
        const std::lock_guard lock(mutex_);
        return units_.contains(units);
    }
    void add(std::uint32_t units) {
        const std::lock_guard lock(mutex_);
        units_.insert(units);
    }

private:
    mutable std::mutex mutex_;
    std::unordered_set<std::uint32_t> units_;
};

// A segment that is begun anew gets a new file under its old name: whoever reads or sends from the old one goes on with
// it, and finds there what was there.
class Segment {
public:
    enum class State : std::uint8_t {
        Free,    // to be begun
        Open,    // being filled
        Sealed,  // full
        Bad,     // a write failed: what it holds is read as long as a sealed one would be, but it is not begun again
        Foreign, // of another version: left alone
        GivenUp  // its file is removed
    };
    // What it is at one moment, for readers on other threads.
    struct View {
        std::shared_ptr<File> file;
        std::uint64_t generation = 0;                // 0: there is nothing to read
        std::shared_ptr<CheckedPlaces> checked = {}; // of that generation
    };

    View view() const {
        const std::lock_guard lock(mutex_);
        return view_;
    }
    std::uint64_t generation() const {
        const std::lock_guard lock(mutex_);
        return view_.generation;
    }
    void set(std::shared_ptr<File> file, std::uint64_t generation) {
        const std::lock_guard lock(mutex_);
        if (view_.file && view_.file != file) {
            view_.file->give_up();
        }
        view_ = {std::move(file), generation, std::make_shared<CheckedPlaces>()};
    }
    void set_generation(std::uint64_t generation) {
        const std::lock_guard lock(mutex_);
        view_ = {std::move(view_.file), generation, std::make_shared<CheckedPlaces>()};
    }
    // For the writing thread, which alone changes it.
    File& file() const noexcept { return *view_.file; }
    bool has_file() const noexcept { return view_.file != nullptr; }

    std::uint32_t number = 0;
    State state = State::Free; // the writing thread's, as the next
    bool is_dirty = false;     // written to since it was synced

private:
    mutable std::mutex mutex_;
    View view_;
};

inline std::uint32_t secondary_hash(std::string_view secondary_key) noexcept {
    return static_cast<std::uint32_t>(checksum(secondary_key));
}

inline std::uint16_t marker(std::uint32_t secondary_hash) noexcept {
    return static_cast<std::uint16_t>(secondary_hash);
}

IndexEntry entry_of(const FooterEntry& footer, std::uint32_t segment) noexcept;

} // namespace gatehouse::cache::store::disk
