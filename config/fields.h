// The pieces that tables of fields are built from. A Record<T> lists the fields of one mapping; each Field<T> knows
// its description and how to read its value into a T. Defaults are not repeated: a description shows what a freshly
// made T holds.
#pragma once

#include "config/description.h"
#include "config/findings.h"
#include "config/suggest.h"
#include "config/units.h"
#include "config/values.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace gatehouse::config {

template <class T>
struct Field {
    FieldDescription description;        // path: the field's own name
    std::vector<FieldDescription> inner; // the fields below it, with paths relative to it
    std::function<void(const Spot&, Findings&, T&)> read;
};

template <class T>
using Record = std::vector<Field<T>>;

// The member of a member: at(&Origin::timeouts, &OriginTimeouts::connect).
template <class... Members>
auto at(Members... members) {
    return [members...](auto& object) -> auto& { return (object.*....*members); };
}

// --- reading ---------------------------------------------------------------------------------------------------

// What a mapping lacks and what it has too much of; not a template, so that it is compiled once.
class MemberCheck {
public:
    explicit MemberCheck(std::vector<const FieldDescription*> fields) : fields_(std::move(fields)) {}
    void unknown(const MemberSpot& member, Findings& findings);
    // "expected a mapping with path_pattern, origin": the required fields, or a few of those that there are.
    bool expect_mapping_of_them(const Spot& spot, Findings& findings) const;
    void present(const std::string& name) { present_.push_back(name); }
    // Reports each required field that is absent, unless a mistyped name was taken for it.
    void finish(const Spot& spot, Findings& findings) const;

private:
    std::vector<const FieldDescription*> fields_;
    std::vector<std::string> present_;
};

// Whether the value can be read as a mapping; nothing counts as an empty one, so that a block whose lines are all
// commented out is no mistake.
bool expect_mapping(const Spot& spot, Findings& findings, std::string_view expected);
bool expect_list(const Spot& spot, Findings& findings, std::string_view expected);

// Reports a value that is no mapping, with the fields that one would have.
template <class T>
void read_record(const Spot& spot, Findings& findings, const Record<T>& fields, T& out) {
    std::vector<const FieldDescription*> descriptions;
    for (const Field<T>& field : fields) descriptions.push_back(&field.description);
    MemberCheck check(std::move(descriptions));
    if (!check.expect_mapping_of_them(spot, findings)) return;
    for (const MemberSpot& member : unique_members(spot, findings)) {
        const auto field = std::find_if(fields.begin(), fields.end(), [&member](const Field<T>& candidate) {
            return candidate.description.path == member.key;
        });
        if (field == fields.end()) {
            check.unknown(member, findings);
            continue;
        }
        check.present(member.key);
        field->read(member.value, findings, out);
    }
    check.finish(spot, findings);
    findings.accept(spot);
}

// --- descriptions ----------------------------------------------------------------------------------------------

template <class T>
std::vector<FieldDescription> flatten(const Record<T>& fields, const std::string& prefix) {
    std::vector<FieldDescription> out;
    for (const Field<T>& field : fields) {
        const std::string own = prefix + field.description.path;
        out.push_back(field.description);
        out.back().path = own;
        for (FieldDescription inner : field.inner) {
            inner.path = own + inner.path;
            out.push_back(std::move(inner));
        }
    }
    return out;
}

inline std::string default_text(Milliseconds value) { return format_duration(value); }
inline std::string default_text(const std::optional<Milliseconds>& value) {
    return value ? format_duration(*value) : "not set";
}

// --- kinds of fields -------------------------------------------------------------------------------------------

struct Name {
    std::string name;
    std::string sentence;
};

template <class T, class Get>
Field<T> duration(Name name, Get get, DurationRange range) {
    Field<T> field;
    T defaults{};
    field.description = {name.name, "duration", default_text(std::invoke(get, defaults)), name.sentence, range.text()};
    field.description.form.kind = ValueForm::Kind::Duration;
    field.description.form.min = static_cast<std::uint64_t>(range.min.count());
    field.read = [get, range](const Spot& spot, Findings& findings, T& out) {
        if (const auto value = read_duration(spot, findings, range)) std::invoke(get, out) = *value;
    };
    return field;
}

// `default_words` replaces the shown default where the loader computes it.
template <class T, class Get>
Field<T> size(Name name, Get get, NumberRange range, std::string default_words = {}) {
    Field<T> field;
    T defaults{};
    using Number = std::decay_t<decltype(std::invoke(get, defaults))>;
    range.max = std::min<std::uint64_t>(range.max, std::numeric_limits<Number>::max());
    if (default_words.empty()) default_words = format_size(std::invoke(get, defaults));
    field.description = {name.name, "size", default_words, name.sentence,
                         format_size(range.min) + " to " + format_size(range.max)};
    field.description.form = ranged_form(ValueForm::Kind::Size, range);
    field.read = [get, range](const Spot& spot, Findings& findings, T& out) {
        if (const auto value = read_size(spot, findings, range)) std::invoke(get, out) = static_cast<Number>(*value);
    };
    return field;
}

template <class T, class Get>
Field<T> count(Name name, Get get, NumberRange range) {
    Field<T> field;
    T defaults{};
    using Number = std::decay_t<decltype(std::invoke(get, defaults))>;
    range.max = std::min<std::uint64_t>(range.max, std::numeric_limits<Number>::max());
    field.description = {name.name, "whole number", std::to_string(std::invoke(get, defaults)), name.sentence,
                         std::to_string(range.min) + " to " + std::to_string(range.max)};
    field.description.form = ranged_form(ValueForm::Kind::Number, range);
    field.read = [get, range](const Spot& spot, Findings& findings, T& out) {
        if (const auto value = read_count(spot, findings, range)) std::invoke(get, out) = static_cast<Number>(*value);
    };
    return field;
}

template <class T, class Get>
Field<T> boolean(Name name, Get get) {
    Field<T> field;
    T defaults{};
    field.description = {name.name, "boolean", std::invoke(get, defaults) ? "true" : "false", name.sentence,
                         "true or false"};
    field.description.form.kind = ValueForm::Kind::Boolean;
    field.read = [get](const Spot& spot, Findings& findings, T& out) {
        if (const auto value = read_switch(spot, findings)) std::invoke(get, out) = *value;
    };
    return field;
}

template <class T, class Get>
Field<T> text(Name name, Get get, TextRule rule, std::string default_words) {
    Field<T> field;
    field.description = {name.name, "text", std::move(default_words), name.sentence, std::string(rule.expected)};
    field.description.form.pattern = rule.pattern;
    field.read = [get, rule](const Spot& spot, Findings& findings, T& out) {
        if (auto value = read_text(spot, findings, rule)) std::invoke(get, out) = std::move(*value);
    };
    return field;
}

template <class T, class Get>
Field<T> texts(Name name, Get get, TextRule rule) {
    Field<T> field;
    T defaults{};
    field.description = {name.name, "list", "[" + join(std::invoke(get, defaults)) + "]", name.sentence,
                         "a list, each item " + std::string(rule.expected)};
    field.description.form.kind = ValueForm::Kind::Texts;
    field.description.form.pattern = rule.pattern;
    field.description.form.default_items = std::invoke(get, defaults);
    field.read = [get, rule](const Spot& spot, Findings& findings, T& out) {
        if (auto value = read_texts(spot, findings, rule)) std::invoke(get, out) = std::move(*value);
    };
    return field;
}

// One of a few words; the value with the same index is what it means.
template <class T, class Get, class Value>
Field<T> choice(Name name, Get get, std::vector<std::pair<std::string, Value>> choices) {
    Field<T> field;
    T defaults{};
    std::vector<std::string> words;
    for (const auto& [word, value] : choices) {
        words.push_back(word);
        if (std::invoke(get, defaults) == value) field.description.default_text = word;
    }
    std::string accepted;
    for (const std::string& word : words) accepted += (accepted.empty() ? "" : " or ") + word;
    field.description = {name.name, "word", field.description.default_text, name.sentence, accepted};
    field.description.form.kind = ValueForm::Kind::Word;
    field.description.form.words = words;
    field.read = [get, words, choices](const Spot& spot, Findings& findings, T& out) {
        if (const auto index = read_choice(spot, findings, words)) std::invoke(get, out) = choices[*index].second;
    };
    return field;
}

template <class T, class Get>
Field<T> selection(Name name, Get get, SelectionRule rule, std::string default_words) {
    Field<T> field;
    field.description = {name.name, "selection of names", std::move(default_words), name.sentence, rule.accepted()};
    field.description.form = rule.form();
    field.read = [get, rule](const Spot& spot, Findings& findings, T& out) {
        if (auto value = read_selection(spot, findings, rule)) std::invoke(get, out) = std::move(*value);
    };
    return field;
}

template <class T, class Get, class Inner>
Field<T> mapping(Name name, Get get, const Record<Inner>& fields) {
    Field<T> field;
    field.description = {name.name, "mapping", "", name.sentence, "the fields below", FieldShape::Mapping};
    field.inner = flatten(fields, ".");
    field.read = [get, &fields](const Spot& spot, Findings& findings, T& out) {
        read_record(spot, findings, fields, std::invoke(get, out));
    };
    return field;
}

// The names are the user's. Each mapping is kept under its name even when something in it is wrong, so that what
// refers to it by name is not reported as well.
template <class T, class Get, class Inner>
Field<T> named_mappings(Name name, Get get, const Record<Inner>& fields) {
    Field<T> field;
    field.description = {name.name,
                         "mappings by name",
                         "",
                         name.sentence,
                         "names of your choice, each with the fields below",
                         FieldShape::NamedMappings};
    field.inner = flatten(fields, ".<name>.");
    field.read = [get, &fields](const Spot& spot, Findings& findings, T& out) {
        if (!expect_mapping(spot, findings, "a mapping of names")) return;
        findings.accept(spot);
        for (const MemberSpot& member : unique_members(spot, findings)) {
            Inner& inner = std::invoke(get, out)[member.key];
            inner.name = member.key;
            inner.place = findings.place(member.key_place);
            read_record(member.value, findings, fields, inner);
        }
    };
    return field;
}

template <class T, class Get, class Inner>
Field<T> list_of_mappings(Name name, Get get, const Record<Inner>& fields) {
    Field<T> field;
    field.description = {name.name,
                         "list of mappings",
                         "",
                         name.sentence,
                         "a list, each item with the fields below",
                         FieldShape::ListOfMappings};
    field.inner = flatten(fields, "[].");
    field.read = [get, &fields](const Spot& spot, Findings& findings, T& out) {
        if (!expect_list(spot, findings, "a list of mappings")) return;
        findings.accept(spot);
        for (const Spot& item : item_spots(spot)) {
            Inner& inner = std::invoke(get, out).emplace_back();
            if constexpr (requires { inner.place; }) inner.place = findings.place(item.place);
            read_record(item, findings, fields, inner);
        }
    };
    return field;
}

template <class T>
Field<T> required(Field<T> field) {
    field.description.required = true;
    field.description.default_text.clear();
    return field;
}

} // namespace gatehouse::config
