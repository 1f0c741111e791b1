// Readers of single values. Each returns the value and records its place, or reports one problem and returns nothing.
#pragma once

#include "config/config.h"
#include "config/description.h"
#include "config/findings.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gatehouse::config {

struct DurationRange {
    Milliseconds min{0};
    Milliseconds max{0};
    std::string text() const; // "1ms to 1h"
};

struct NumberRange {
    std::uint64_t min = 0;
    std::uint64_t max = 0;
};

// What a text must look like, in words and as a test.
struct TextRule {
    std::string_view expected;                 // "an IP address and port such as 0.0.0.0:8080"
    bool (*valid)(std::string_view) = nullptr; // null: every text but the empty one
    std::string_view pattern = {};             // the same for a schema; it may accept more
};

// Which spellings a selection of names has, and what its names look like.
struct SelectionRule {
    bool all = true;    // `all`
    bool except = true; // {except: [..]}
    bool list = false;  // a plain list stands for {allow: [..]}
    TextRule name;
    std::string accepted() const;
    ValueForm form() const;
};

ValueForm ranged_form(ValueForm::Kind kind, const NumberRange& range);

// The text of a scalar; a problem when there is something else.
std::optional<std::string> read_scalar(const Spot& spot, Findings& findings, std::string_view expected);

std::optional<Milliseconds> read_duration(const Spot& spot, Findings& findings, const DurationRange& range);
std::optional<std::uint64_t> read_size(const Spot& spot, Findings& findings, const NumberRange& range);
std::optional<std::uint64_t> read_count(const Spot& spot, Findings& findings, const NumberRange& range);
std::optional<bool> read_switch(const Spot& spot, Findings& findings);
std::optional<std::string> read_text(const Spot& spot, Findings& findings, const TextRule& rule);
std::optional<std::vector<std::string>> read_texts(const Spot& spot, Findings& findings, const TextRule& rule);
// The index of the word that is there.
std::optional<std::size_t> read_choice(const Spot& spot, Findings& findings, const std::vector<std::string>& words);
// One of a few words, which is accepted then, or a mapping with that one member, for the caller to read and to accept.
struct WordOrMember {
    std::optional<std::size_t> word; // its index
    std::optional<Spot> member;
};
std::optional<WordOrMember> read_word_or_member(const Spot& spot, Findings& findings,
                                                const std::vector<std::string>& words, std::string_view member,
                                                std::string_view accepted);
std::optional<NameSelection> read_selection(const Spot& spot, Findings& findings, const SelectionRule& rule);
std::optional<StatusDurations> read_status_durations(const Spot& spot, Findings& findings, const DurationRange& range);

// A mapping from names to patterns of values.
std::optional<std::vector<NamePattern>> read_name_patterns(const Spot& spot, Findings& findings, const TextRule& name);

// Names of query parameters, cookies and fields; a `*` only at the end.
bool is_parameter_name(std::string_view text);
bool is_field_name(std::string_view text);

} // namespace gatehouse::config
