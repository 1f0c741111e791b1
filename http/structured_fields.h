// Structured Fields (RFC 9651): items, lists and dictionaries as values, read strictly and written canonically.
//
// Reading is total and all or nothing: whatever is not exactly the grammar is no value, because guessing is what the
// format was made to end. The caller joins the lines of a field with ", " first (Fields::combined).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace gatehouse::http::structured {

// LIMIT: what RFC 9651 section 3 obliges a recipient to accept of each, and no more; beyond it a field cannot be read.
inline constexpr std::size_t kMaxTextBytes = std::size_t{128} * 1024;
inline constexpr std::size_t kMaxMembers = 1024;                 // of a list or a dictionary
inline constexpr std::size_t kMaxInnerItems = 256;               // of an inner list
inline constexpr std::size_t kMaxParameters = 256;               // of one item or inner list
inline constexpr std::int64_t kMaxInteger = 999'999'999'999'999; // 15 digits: RFC 9651 section 3.3.1

// A decimal as the number of its thousandths: three places are all it has (RFC 9651 section 3.3.2), and they are exact.
struct Decimal {
    std::int64_t thousandths = 0;
    bool operator==(const Decimal&) const = default;
};
struct Token {
    std::string text;
    bool operator==(const Token&) const = default;
};
struct ByteSequence {
    std::string bytes;
    bool operator==(const ByteSequence&) const = default;
};
struct Date {
    std::int64_t seconds = 0; // since 1970-01-01T00:00:00Z
    bool operator==(const Date&) const = default;
};
struct DisplayString {
    std::string utf8;
    bool operator==(const DisplayString&) const = default;
};

// The std::string is a String: printable ASCII.
using BareItem = std::variant<std::int64_t, Decimal, std::string, Token, ByteSequence, bool, Date, DisplayString>;

struct Parameter {
    std::string key;
    BareItem value;
    bool operator==(const Parameter&) const = default;
};
// In the order of their first appearance; each key once.
using Parameters = std::vector<Parameter>;

struct Item {
    BareItem value;
    Parameters parameters;
    bool operator==(const Item&) const = default;
};
struct InnerList {
    std::vector<Item> items;
    Parameters parameters;
    bool operator==(const InnerList&) const = default;
};
using Member = std::variant<Item, InnerList>;
using List = std::vector<Member>;

struct DictionaryMember {
    std::string key;
    Member value;
    bool operator==(const DictionaryMember&) const = default;
};
// In the order of their first appearance; each key once, with its last value.
using Dictionary = std::vector<DictionaryMember>;

// RFC 9651 section 4.2. An empty text is an empty list or dictionary, and no item.
std::optional<Item> parse_item(std::string_view text);
std::optional<List> parse_list(std::string_view text);
std::optional<Dictionary> parse_dictionary(std::string_view text);

// The member of that name, or null.
const Member* find(const Dictionary& dictionary, std::string_view key) noexcept;

// RFC 9651 section 4.1: the one canonical text. nullopt when something in it cannot be written: a key, token or string
// with a character that it may not have, a number out of range, a display string that is no UTF-8. An empty list or
// dictionary gives the empty text, which means that the field is not sent.
std::optional<std::string> serialise(const Item& item);
std::optional<std::string> serialise(const List& list);
std::optional<std::string> serialise(const Dictionary& dictionary);

} // namespace gatehouse::http::structured
