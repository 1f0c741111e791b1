// http::Fields: the field lines of one message (RFC 9110 section 5), in order, names compared without case.
//
// One block of bytes holds the lines exactly as they are sent ("Name: value\r\n"), and a small table of offsets
// finds them: no node per field, so parsing a head costs two allocations at most and serialising it costs none.
// Repeated lines stay separate lines: Set-Cookie cannot be joined, and Vary may come in several.
//
// A value type; not safe for concurrent modification. Views returned by it are valid until the next modification.
#pragma once

#include "http/name_set.h"

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gatehouse::http {

class Fields {
    struct Entry {
        std::uint32_t name_at;
        std::uint32_t value_at;
        std::uint32_t value_size;
        std::uint16_t name_size;
        std::uint16_t name_hash; // of the lower-cased name: most comparisons end here
    };

public:
    struct Line {
        std::string_view name;
        std::string_view value;
    };

    class const_iterator {
    public:
        using value_type = Line;
        using difference_type = std::ptrdiff_t;
        const_iterator() = default;
        const_iterator(const Fields* fields, std::size_t index) : fields_(fields), index_(index) {}
        Line operator*() const { return fields_->line(index_); }
        const_iterator& operator++() {
            ++index_;
            return *this;
        }
        const_iterator operator++(int) {
            auto old = *this;
            ++index_;
            return old;
        }
        bool operator==(const const_iterator&) const = default;

    private:
        const Fields* fields_ = nullptr;
        std::size_t index_ = 0;
    };

    // Adds a line at the end. The name must be a token and the value a field value without surrounding white space
    // (callers that take them from outside have checked; asserted here because a CR LF in a value splits a message).
    // LIMIT: a name holds at most 65535 bytes and all lines together less than 4 GiB; limits.head_bytes is far below.
    // A line beyond that is asserted against and left out. Name and value may be views into these same fields.
    void add(std::string_view name, std::string_view value);
    // Adds those lines of other fields at the end for which keep(line) is true. Asked once for each line, in order.
    template <class Predicate>
    void append_if(const Fields& from, Predicate&& keep);
    // Replaces every line of that name by one; at the place of the first, else at the end.
    void set(std::string_view name, std::string_view value);
    // Removes every line of that name; returns how many.
    std::size_t remove(std::string_view name);
    // Removes the lines for which drop(line) is true; returns how many. Asked once for each line, in order; the line
    // is valid only during the call.
    template <class Predicate>
    std::size_t remove_if(Predicate&& drop);
    void clear() noexcept; // keeps the capacity
    void reserve(std::size_t bytes, std::size_t lines);

    // The value of the first line of that name.
    std::optional<std::string_view> first(std::string_view name) const noexcept {
        return may_contain(name) ? find_first(hash_name(name), name) : std::nullopt;
    }
    bool contains(std::string_view name) const noexcept { return first(name).has_value(); }
    std::size_t count(std::string_view name) const noexcept;
    // All values of that name joined with ", " (RFC 9110 section 5.3). Empty when there is none.
    std::string combined(std::string_view name) const;
    // Calls visit(std::string_view value) for each line of that name, in order.
    template <class Visitor>
    void for_each(std::string_view name, Visitor&& visit) const;

    std::size_t size() const noexcept { return entries_.size(); }
    bool empty() const noexcept { return entries_.empty(); }
    Line line(std::size_t index) const noexcept {
        assert(index < entries_.size());
        const Entry& entry = entries_[index];
        return {std::string_view(block_.data() + entry.name_at, entry.name_size),
                std::string_view(block_.data() + entry.value_at, entry.value_size)};
    }
    const_iterator begin() const noexcept { return {this, 0}; }
    const_iterator end() const noexcept { return {this, entries_.size()}; }

    // The lines as they go on the wire, each ended by CR LF, without the empty line that ends a head.
    std::string_view serialised() const noexcept { return block_; }
    // Reads back what serialised() gave (a stored head). Precondition: text came from serialised().
    static Fields from_serialised(std::string_view text);
    // Takes the lines that `text` begins with, up to the empty line behind them, in the place of what was here. Returns
    // how many bytes they and the empty line are; 0, and no lines, where the empty line has not come, a line is
    // malformed, there are more than `most`, or one is written otherwise than "Name: value", which add() can still
    // take.
    std::size_t assign_lines(std::string_view text, std::size_t most);

private:
    // OPTIMIZATION: the name_bit() of each name that was added. A proxy asks every message for some twenty fields that
    // it mostly does not have; with a name known at compile time the answer "no" is one test instead of a hash and a
    // walk. False: certainly not. Removing lines does not take bits back.
    bool may_contain(std::string_view name) const noexcept { return (presence_ & name_bit(name)) != 0; }
    std::optional<std::string_view> find_first(std::uint16_t hash, std::string_view name) const noexcept;
    static std::uint16_t hash_name(std::string_view name) noexcept;
    bool matches(const Entry& entry, std::uint16_t hash, std::string_view name) const noexcept;
    void append_line(const Fields& from, std::size_t index);
    void shift_from(std::size_t index, std::size_t old_size, std::size_t new_size) noexcept;
    // Moves line `from` forward to index `to` and offset `at`; returns the offset behind it.
    std::size_t move_line(std::size_t from, std::size_t to, std::size_t at) noexcept;
    // Drops everything behind the first `lines` lines, which end at `at`; returns how many lines that were.
    std::size_t truncate(std::size_t lines, std::size_t at) noexcept;

    std::string block_;
    std::vector<Entry> entries_;
    std::uint64_t presence_ = 0;
};

namespace detail {

// Bytes `count` (at most 8) as one word. OPTIMIZATION: two overlapping loads instead of a loop.
inline std::uint64_t load_up_to_eight(const char* at, std::size_t count) noexcept {
    if (count >= 4) {
        std::uint32_t front = 0;
        std::uint32_t back = 0;
        std::memcpy(&front, at, sizeof front);
        std::memcpy(&back, at + count - 4, sizeof back);
        return (std::uint64_t{back} << 32) | front;
    }
    std::uint64_t word = 0;
    for (std::size_t i = 0; i < count; ++i) {
        word = (word << 8) | static_cast<unsigned char>(at[i]);
    }
    return word;
}

} // namespace detail

// Setting bit 5 maps both cases of a letter to one; that it also maps a few marks together costs only a comparison.
inline std::uint16_t Fields::hash_name(std::string_view name) noexcept {
    constexpr std::uint64_t kCaseBits = 0x2020202020202020U;
    constexpr std::uint64_t kMultiplier = 0x9e3779b97f4a7c15U; // 2^64 divided by the golden ratio
    std::uint64_t hash = name.size();
    const char* at = name.data();
    std::size_t left = name.size();
    for (; left > 8; left -= 8, at += 8) {
        hash = (hash ^ (detail::load_up_to_eight(at, 8) | kCaseBits)) * kMultiplier;
        hash ^= hash >> 32;
    }
    // The rest of a name of more than eight bytes together with what was before it.
    const std::uint64_t last =
        name.size() > 8 ? detail::load_up_to_eight(at + left - 8, 8) : detail::load_up_to_eight(at, left);
    hash = (hash ^ (last | kCaseBits)) * kMultiplier;
    return static_cast<std::uint16_t>(hash >> 48);
}

template <class Predicate>
std::size_t Fields::remove_if(Predicate&& drop) {
    std::size_t kept = 0;
    while (kept < entries_.size() && !drop(line(kept))) {
        ++kept;
    }
    if (kept == entries_.size()) {
        return 0; // as in most cases
    }
    std::size_t end_of_kept = entries_[kept].name_at;
    for (std::size_t i = kept + 1; i < entries_.size(); ++i) {
        if (!drop(line(i))) {
            end_of_kept = move_line(i, kept, end_of_kept);
            ++kept;
        }
    }
    return truncate(kept, end_of_kept);
}

template <class Predicate>
void Fields::append_if(const Fields& from, Predicate&& keep) {
    for (std::size_t i = 0; i < from.entries_.size(); ++i) {
        if (keep(from.line(i))) {
            append_line(from, i);
        }
    }
}

template <class Visitor>
void Fields::for_each(std::string_view name, Visitor&& visit) const {
    if (!may_contain(name)) {
        return;
    }
    const std::uint16_t hash = hash_name(name);
    for (std::size_t i = 0; i < entries_.size(); ++i) {
        if (matches(entries_[i], hash, name)) {
            visit(line(i).value);
        }
    }
}

} // namespace gatehouse::http
