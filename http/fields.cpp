#include "http/fields.h"

#include "http/ascii.h"
#include "http/reassign.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <functional>
#include <limits>
#include <utility>

namespace gatehouse::http {

namespace {

constexpr std::string_view kColon = ": ";
constexpr std::string_view kCrLf = "\r\n";
constexpr std::size_t kUsualLines = 16; // room for those of most heads
constexpr std::size_t kNameSizeMax = std::numeric_limits<std::uint16_t>::max();
constexpr std::size_t kBlockSizeMax = std::numeric_limits<std::uint32_t>::max();

constexpr std::uint32_t narrow(std::size_t size) noexcept { return static_cast<std::uint32_t>(size); }

bool lies_within(std::string_view part, std::string_view whole) noexcept {
    const std::less<const char*> before;
    return !before(part.data(), whole.data()) && before(part.data(), whole.data() + whole.size());
}

} // namespace

bool Fields::matches(const Entry& entry, std::uint16_t hash, std::string_view name) const noexcept {
    return entry.name_hash == hash && entry.name_size == name.size() &&
           iequals(std::string_view(block_.data() + entry.name_at, entry.name_size), name);
}

void Fields::add(std::string_view name, std::string_view value) {
    assert(is_token(name));
    assert(is_field_value(value) && trim_ows(value).size() == value.size());
    const std::size_t line_size = name.size() + kColon.size() + value.size() + kCrLf.size();
    const bool fits = name.size() <= kNameSizeMax && line_size <= kBlockSizeMax - block_.size();
    assert(fits);
    if (!fits) {
        return;
    }
    if (lies_within(name, block_) || lies_within(value, block_)) {
        const std::string name_copy(name);
        const std::string value_copy(value);
        return add(name_copy, value_copy);
    }
    const std::size_t name_at = block_.size();
    const std::size_t value_at = name_at + name.size() + kColon.size();
    entries_.push_back({narrow(name_at), narrow(value_at), narrow(value.size()),
                        static_cast<std::uint16_t>(name.size()), hash_name(name)});
    presence_ |= name_bit(name);
    // OPTIMIZATION: one growth, and copies whose ends are known.
    block_.resize(name_at + line_size);
    char* at = block_.data() + name_at;
    at = std::copy_n(name.data(), name.size(), at);
    at = std::copy_n(kColon.data(), kColon.size(), at);
    at = std::copy_n(value.data(), value.size(), at);
    std::copy_n(kCrLf.data(), kCrLf.size(), at);
}

// OPTIMIZATION: with the hash that was computed already, and in one copy.
void Fields::append_line(const Fields& from, std::size_t index) {
    Entry entry = from.entries_[index];
    const std::size_t size = entry.value_at + entry.value_size + kCrLf.size() - entry.name_at;
    assert(&from != this && size <= kBlockSizeMax - block_.size());
    if (size > kBlockSizeMax - block_.size()) {
        return;
    }
    const std::string_view text = std::string_view(from.block_).substr(entry.name_at, size);
    presence_ |= name_bit(text.substr(0, entry.name_size));
    entry.value_at = narrow(block_.size()) + (entry.value_at - entry.name_at);
    entry.name_at = narrow(block_.size());
    entries_.push_back(entry);
    block_.append(text);
}

void Fields::set(std::string_view name, std::string_view value) {
    if (!may_contain(name)) {
        return add(name, value);
    }
    const std::uint16_t hash = hash_name(name);
    const auto next_after = [&](std::size_t at) {
        while (at < entries_.size() && !matches(entries_[at], hash, name)) {
            ++at;
        }
        return at;
    };
    const std::size_t at = next_after(0);
    if (at == entries_.size()) {
        return add(name, value);
    }
    assert(is_token(name));
    assert(is_field_value(value) && trim_ows(value).size() == value.size());
    const bool fits = value.size() <= kBlockSizeMax - block_.size();
    assert(fits);
    if (!fits) {
        return;
    }
    if (lies_within(name, block_) || lies_within(value, block_)) {
        const std::string name_copy(name);
        const std::string value_copy(value);
        return set(name_copy, value_copy);
    }
    Entry& entry = entries_[at];
    const std::size_t old_size = entry.value_size;
    block_.replace(entry.name_at, entry.name_size, name); // the same size, perhaps other case
    block_.replace(entry.value_at, old_size, value);
    entry.value_size = narrow(value.size());
    shift_from(at + 1, old_size, value.size());
    if (next_after(at + 1) < entries_.size()) {
        bool is_first = true;
        remove_if([&](const Line& line) { return iequals(line.name, name) && !std::exchange(is_first, false); });
    }
}

std::size_t Fields::remove(std::string_view name) {
    if (!contains(name)) {
        return 0;
    }
    return remove_if([name = std::string(name)](const Line& line) { return iequals(line.name, name); });
}

void Fields::clear() noexcept {
    block_.clear();
    entries_.clear();
    presence_ = 0;
}

void Fields::reserve(std::size_t bytes, std::size_t lines) {
    block_.reserve(bytes);
    entries_.reserve(lines);
}

std::optional<std::string_view> Fields::find_first(std::uint16_t hash, std::string_view name) const noexcept {
    for (std::size_t i = 0; i < entries_.size(); ++i) {
        if (matches(entries_[i], hash, name)) {
            return line(i).value;
        }
    }
    return std::nullopt;
}

std::size_t Fields::count(std::string_view name) const noexcept {
    std::size_t lines = 0;
    for_each(name, [&](std::string_view) { ++lines; });
    return lines;
}

// Lines of one name are read as one value by joining them, in order, with commas. RFC 9110 section 5.3
std::string Fields::combined(std::string_view name) const {
    std::string joined;
    bool is_first = true;
    for_each(name, [&](std::string_view value) {
        if (!std::exchange(is_first, false)) {
            joined += ", ";
        }
        joined += value;
    });
    return joined;
}

// Total although its precondition says that it need not be: what does not read back as lines is cut off.
Fields Fields::from_serialised(std::string_view text) {
    Fields fields;
    std::size_t at = 0;
    while (at < text.size()) {
        const std::size_t line_end = text.find(kCrLf, at);
        const std::size_t colon = text.find(':', at);
        if (line_end == std::string_view::npos || colon == std::string_view::npos || colon == at ||
            colon - at > kNameSizeMax || colon + kColon.size() > line_end || text[colon + 1] != ' ' ||
            line_end + kCrLf.size() > kBlockSizeMax) {
            break;
        }
        const std::size_t value_at = colon + kColon.size();
        const std::string_view name = text.substr(at, colon - at);
        fields.entries_.push_back({narrow(at), narrow(value_at), narrow(line_end - value_at),
                                   static_cast<std::uint16_t>(name.size()), hash_name(name)});
        fields.presence_ |= name_bit(name);
        at = line_end + kCrLf.size();
    }
    fields.block_.assign(text.substr(0, at));
    return fields;
}

// OPTIMIZATION: the lines of a head are checked in one pass and copied at once. Line by line through add() they took
// three times as many instructions (docs/PERFORMANCE.md).
std::size_t Fields::assign_lines(std::string_view text, std::size_t most) {
    // OPTIMIZATION: most requests have the very lines of the one before, from the same client or one of its kind: to
    // compare them takes a tenth of the instructions of reading them (docs/PERFORMANCE.md).
    if (!block_.empty() && text.starts_with(block_) && text.substr(block_.size()).starts_with(kCrLf) &&
        entries_.size() <= most) {
        return block_.size() + kCrLf.size();
    }
    const auto is_ows = [](char c) { return c == ' ' || c == '\t'; };
    const char* const begin = text.data();
    const char* const end = begin + std::min(text.size(), kBlockSizeMax);
    const auto has = [end](const char* at, std::string_view mark) {
        return static_cast<std::size_t>(end - at) >= mark.size() && std::memcmp(at, mark.data(), mark.size()) == 0;
    };
    const auto from = [end](const char* at) { return std::string_view(at, static_cast<std::size_t>(end - at)); };
    clear();
    if (entries_.capacity() == 0) {
        entries_.reserve(kUsualLines);
    }
    const char* at = begin;
    while (!has(at, kCrLf)) {
        const std::size_t name_size = token_prefix(from(at));
        if (name_size == 0 || name_size > kNameSizeMax || !has(at + name_size, kColon) || entries_.size() >= most) {
            clear();
            return 0;
        }
        const char* const value = at + name_size + kColon.size();
        const std::size_t value_size = field_value_prefix(from(value));
        if (!has(value + value_size, kCrLf) ||
            (value_size > 0 && (is_ows(value[0]) || is_ows(value[value_size - 1])))) {
            clear();
            return 0;
        }
        const std::string_view name(at, name_size);
        entries_.push_back({narrow(static_cast<std::size_t>(at - begin)),
                            narrow(static_cast<std::size_t>(value - begin)), narrow(value_size),
                            static_cast<std::uint16_t>(name_size), hash_name(name)});
        presence_ |= name_bit(name);
        at = value + value_size + kCrLf.size();
    }
    const auto lines = static_cast<std::size_t>(at - begin);
    reassign(block_, text.substr(0, lines));
    return lines + kCrLf.size();
}

void Fields::shift_from(std::size_t index, std::size_t old_size, std::size_t new_size) noexcept {
    const std::uint32_t difference = narrow(new_size) - narrow(old_size); // modulo 2^32: works in both directions
    for (; index < entries_.size(); ++index) {
        entries_[index].name_at += difference;
        entries_[index].value_at += difference;
    }
}

std::size_t Fields::move_line(std::size_t from, std::size_t to, std::size_t at) noexcept {
    Entry entry = entries_[from];
    const std::size_t size = entry.value_at + entry.value_size + kCrLf.size() - entry.name_at;
    if (from != to) {
        std::memmove(block_.data() + at, block_.data() + entry.name_at, size);
        entry.value_at = narrow(at) + (entry.value_at - entry.name_at);
        entry.name_at = narrow(at);
        entries_[to] = entry;
    }
    return at + size;
}

std::size_t Fields::truncate(std::size_t lines, std::size_t at) noexcept {
    const std::size_t removed = entries_.size() - lines;
    entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(lines), entries_.end());
    block_.erase(at);
    return removed;
}

} // namespace gatehouse::http
