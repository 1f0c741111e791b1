// One reader for each kind of value.
#include "config/values.h"

#include "config/suggest.h"
#include "config/units.h"
#include "http/ascii.h"

#include <algorithm>
#include <charconv>

namespace gatehouse::config {
namespace {

constexpr std::string_view kDurationExample = "a duration such as 250ms, 10s, 1h30m";
constexpr std::string_view kSizeExample = "a size such as 512B, 64KiB, 10MB";

bool all_digits(std::string_view text) noexcept {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::optional<std::uint64_t> parse_count(std::string_view text) {
    std::uint64_t value = 0;
    if (!all_digits(text)) return std::nullopt;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

std::string number_range_text(const NumberRange& range, std::string (*format)(std::uint64_t)) {
    return format(range.min) + " to " + format(range.max);
}

std::string plain_number(std::uint64_t value) { return std::to_string(value); }

// "404" and "5xx" of the statuses that error_ttl speaks about.
struct StatusKey {
    bool whole_class = false;
    int number = 0;
};

std::optional<StatusKey> parse_status_key(std::string_view text) {
    if (text == "4xx") return StatusKey{true, 4};
    if (text == "5xx") return StatusKey{true, 5};
    const auto number = parse_count(text);
    if (!number || text.size() != 3 || *number < 400 || *number > 599) return std::nullopt;
    return StatusKey{false, static_cast<int>(*number)};
}

bool is_visible(std::string_view text) noexcept {
    return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

bool ends_before_star(std::string_view text) noexcept {
    const std::size_t star = text.find('*');
    return star == std::string_view::npos || star + 1 == text.size();
}

} // namespace

std::string DurationRange::text() const { return format_duration(min) + " to " + format_duration(max); }

std::string SelectionRule::accepted() const {
    std::vector<std::string> forms;
    if (all) forms.emplace_back("all");
    forms.emplace_back("none");
    if (list) forms.emplace_back("[names]");
    forms.emplace_back("{allow: [names]}");
    if (except) forms.emplace_back("{except: [names]}");
    std::string last = forms.back();
    forms.pop_back();
    return join(forms) + " or " + last;
}

ValueForm SelectionRule::form() const {
    ValueForm out;
    out.kind = ValueForm::Kind::Selection;
    if (all) out.words.emplace_back("all");
    out.words.emplace_back("none");
    out.list = list;
    out.except = except;
    out.pattern = name.pattern;
    return out;
}

ValueForm ranged_form(ValueForm::Kind kind, const NumberRange& range) {
    ValueForm out;
    out.kind = kind;
    out.min = range.min;
    out.max = range.max;
    return out;
}

std::optional<std::string> read_scalar(const Spot& spot, Findings& findings, std::string_view expected) {
    if (spot.node->kind == DocumentNode::Kind::Scalar) return spot.node->scalar;
    findings.expected(spot, expected);
    return std::nullopt;
}

std::optional<Milliseconds> read_duration(const Spot& spot, Findings& findings, const DurationRange& range) {
    const auto text = read_scalar(spot, findings, kDurationExample);
    if (!text) return std::nullopt;
    const auto value = parse_duration(*text);
    if (!value) {
        const bool unit_missing = all_digits(*text) && parse_duration(*text + "s");
        findings.expected(spot, kDurationExample, unit_missing ? "; did you mean " + *text + "s?" : "");
        return std::nullopt;
    }
    if (*value < range.min || *value > range.max) {
        findings.expected(spot, "a duration from " + range.text());
        return std::nullopt;
    }
    findings.accept(spot);
    return value;
}

std::optional<std::uint64_t> read_size(const Spot& spot, Findings& findings, const NumberRange& range) {
    const auto text = read_scalar(spot, findings, kSizeExample);
    if (!text) return std::nullopt;
    const auto value = parse_size(*text);
    if (!value) {
        findings.expected(spot, kSizeExample);
        return std::nullopt;
    }
    if (*value < range.min || *value > range.max) {
        findings.expected(spot, "a size from " + number_range_text(range, format_size));
        return std::nullopt;
    }
    findings.accept(spot);
    return value;
}

std::optional<std::uint64_t> read_count(const Spot& spot, Findings& findings, const NumberRange& range) {
    const std::string expected = "a whole number from " + number_range_text(range, plain_number);
    const auto text = read_scalar(spot, findings, expected);
    if (!text) return std::nullopt;
    const auto value = parse_count(*text);
    if (!value || *value < range.min || *value > range.max) {
        findings.expected(spot, expected);
        return std::nullopt;
    }
    findings.accept(spot);
    return value;
}

std::optional<bool> read_switch(const Spot& spot, Findings& findings) {
    static constexpr std::string_view kExpected = "true or false";
    const auto text = read_scalar(spot, findings, kExpected);
    if (!text) return std::nullopt;
    // `on` and `off` are what the YAML of most other programs calls the same.
    const bool yes = http::iequals(*text, "true") || http::iequals(*text, "on");
    const bool no = http::iequals(*text, "false") || http::iequals(*text, "off");
    if (!yes && !no) {
        findings.expected(spot, kExpected);
        return std::nullopt;
    }
    findings.accept(spot);
    return yes;
}

std::optional<std::string> read_text(const Spot& spot, Findings& findings, const TextRule& rule) {
    auto text = read_scalar(spot, findings, rule.expected);
    if (!text) return std::nullopt;
    if (text->empty() || (rule.valid != nullptr && !rule.valid(*text))) {
        findings.expected(spot, rule.expected);
        return std::nullopt;
    }
    findings.accept(spot);
    return text;
}

std::optional<std::vector<std::string>> read_texts(const Spot& spot, Findings& findings, const TextRule& rule) {
    const DocumentNode::Kind kind = spot.node->kind;
    if (kind != DocumentNode::Kind::List && kind != DocumentNode::Kind::Nothing) {
        findings.expected(spot, "a list, each item " + std::string(rule.expected));
        return std::nullopt;
    }
    std::vector<std::string> out;
    bool complete = true;
    for (const Spot& item : item_spots(spot)) {
        auto text = read_text(item, findings, rule);
        complete = complete && text.has_value();
        if (text) out.push_back(std::move(*text));
    }
    if (!complete) return std::nullopt;
    findings.accept(spot);
    return out;
}

std::optional<std::size_t> read_choice(const Spot& spot, Findings& findings, const std::vector<std::string>& words) {
    std::string expected;
    for (const std::string& word : words) expected += (expected.empty() ? "" : " or ") + word;
    const auto text = read_scalar(spot, findings, expected);
    if (!text) return std::nullopt;
    const auto found = std::find(words.begin(), words.end(), *text);
    if (found == words.end()) {
        const auto meant = closest(*text, words);
        findings.expected(spot, expected, meant ? "; did you mean " + *meant + "?" : "");
        return std::nullopt;
    }
    findings.accept(spot);
    return static_cast<std::size_t>(found - words.begin());
}

namespace {

std::optional<NameSelection> read_named_selection(const Spot& spot, Findings& findings, const SelectionRule& rule) {
    const std::vector<MemberSpot> members = unique_members(spot, findings);
    if (members.empty()) {
        findings.expected(spot, rule.accepted());
        return std::nullopt;
    }
    std::vector<std::string> known{"allow"};
    if (rule.except) known.emplace_back("except");
    std::optional<NameSelection> out;
    for (const MemberSpot& member : members) {
        if (std::find(known.begin(), known.end(), member.key) == known.end()) {
            findings.problem(member.key_place, member.value.path,
                             "unknown field" + did_you_mean(member.key, known, "; accepted here: "));
            continue;
        }
        auto names = read_texts(member.value, findings, rule.name);
        if (out) {
            findings.problem(member.key_place, member.value.path, "allow and except exclude each other; give one");
            continue;
        }
        using Mode = NameSelection::Mode;
        out.emplace(NameSelection{member.key == "allow" ? Mode::Allow : Mode::Except, {}});
        if (names) out->names = std::move(*names);
    }
    return out;
}

} // namespace

std::optional<WordOrMember> read_word_or_member(const Spot& spot, Findings& findings,
                                                const std::vector<std::string>& words, std::string_view member,
                                                std::string_view accepted) {
    if (spot.node->kind == DocumentNode::Kind::Scalar) {
        const auto word = std::find(words.begin(), words.end(), spot.node->scalar);
        if (word == words.end()) {
            const auto meant = closest(spot.node->scalar, words);
            findings.expected(spot, accepted, meant ? "; did you mean " + *meant + "?" : "");
            return std::nullopt;
        }
        findings.accept(spot);
        return WordOrMember{static_cast<std::size_t>(word - words.begin()), std::nullopt};
    }
    if (spot.node->kind == DocumentNode::Kind::Mapping) {
        const std::vector<MemberSpot> members = unique_members(spot, findings);
        if (members.size() == 1 && members.front().key == member) {
            return WordOrMember{std::nullopt, members.front().value};
        }
    }
    findings.expected(spot, accepted);
    return std::nullopt;
}

std::optional<NameSelection> read_selection(const Spot& spot, Findings& findings, const SelectionRule& rule) {
    using Mode = NameSelection::Mode;
    std::optional<NameSelection> out;
    if (spot.node->kind == DocumentNode::Kind::Mapping) {
        out = read_named_selection(spot, findings, rule);
    } else if (spot.node->kind == DocumentNode::Kind::List && rule.list) {
        auto names = read_texts(spot, findings, rule.name);
        if (names) out.emplace(NameSelection{Mode::Allow, std::move(*names)});
    } else if (spot.node->kind == DocumentNode::Kind::Scalar && spot.node->scalar == "none") {
        out.emplace(NameSelection{Mode::None, {}});
    } else if (spot.node->kind == DocumentNode::Kind::Scalar && spot.node->scalar == "all" && rule.all) {
        out.emplace(NameSelection{Mode::All, {}});
    } else {
        findings.expected(spot, rule.accepted());
    }
    if (out) findings.accept(spot);
    return out;
}

std::optional<StatusDurations> read_status_durations(const Spot& spot, Findings& findings, const DurationRange& range) {
    if (spot.node->kind != DocumentNode::Kind::Mapping && spot.node->kind != DocumentNode::Kind::Nothing) {
        findings.expected(spot, "a mapping from statuses to durations such as {404: 10s, 5xx: 1s}");
        return std::nullopt;
    }
    StatusDurations out;
    for (const MemberSpot& member : unique_members(spot, findings)) {
        const auto key = parse_status_key(member.key);
        if (!key) {
            findings.problem(member.key_place, member.value.path,
                             "expected a status from 400 to 599, 4xx or 5xx; found " + quote(member.key));
            continue;
        }
        const auto value = read_duration(member.value, findings, range);
        if (value) (key->whole_class ? out.by_class : out.by_status)[key->number] = *value;
    }
    findings.accept(spot);
    return out;
}

std::optional<std::vector<NamePattern>> read_name_patterns(const Spot& spot, Findings& findings, const TextRule& name) {
    static constexpr TextRule kPattern{"a pattern of visible ASCII characters, `*` for any run of them", is_visible};
    if (spot.node->kind != DocumentNode::Kind::Mapping && spot.node->kind != DocumentNode::Kind::Nothing) {
        findings.expected(spot, "a mapping from names to patterns such as {X-Tier: gold*}");
        return std::nullopt;
    }
    std::vector<NamePattern> out;
    for (const MemberSpot& member : unique_members(spot, findings)) {
        if (!name.valid(member.key)) {
            findings.problem(member.key_place, member.value.path,
                             "expected " + std::string(name.expected) + "; found " + quote(member.key));
            continue;
        }
        if (auto pattern = read_text(member.value, findings, kPattern)) {
            out.push_back({member.key, std::move(*pattern)});
        }
    }
    findings.accept(spot);
    return out;
}

bool is_parameter_name(std::string_view text) {
    const bool visible = std::all_of(text.begin(), text.end(), [](char c) {
        return static_cast<unsigned char>(c) > 0x20 && static_cast<unsigned char>(c) != 0x7F;
    });
    return !text.empty() && visible && ends_before_star(text);
}

bool is_field_name(std::string_view text) { return http::is_token(text) && ends_before_star(text); }

} // namespace gatehouse::config
