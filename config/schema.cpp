// One object for each mapping of the language, one form for each kind of value, and the text of it all.
#include "config/schema.h"

#include "config/description.h"
#include "config/units.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace gatehouse::config {
namespace {

namespace json = boost::json;

using Kind = ValueForm::Kind;

// "" and all that is longer than validation takes for a name are refused too.
constexpr const char* kNamePattern = "^[A-Za-z0-9_.-]{1,60}$";
constexpr const char* kAnyStatusPattern = "^[2-5]([0-9][0-9]|xx)$";
constexpr const char* kStatusPattern = "^([45][0-9][0-9]|4xx|5xx)$";
// Neither 412 nor 416.
constexpr const char* kPageStatusPattern = "^(4([02-9][0-9]|1[0-13-57-9])|5[0-9][0-9]|4xx|5xx)$";
// Every value may hold a variable, and what that stands for is not known here.
constexpr const char* kVariablePattern = "\\$\\{";

// YAML reads true and false as booleans, everything else that is a word here as text.
json::value word(const std::string& text) {
    if (text == "true" || text == "false") return text == "true";
    return json::string(text);
}

json::object one_of_words(const std::vector<std::string>& words) {
    json::array list;
    for (const std::string& text : words) list.push_back(word(text));
    return {{"enum", std::move(list)}};
}

std::string or_variable(const std::string& pattern) { return pattern + "|" + kVariablePattern; }

json::object variable() { return {{"type", "string"}, {"pattern", kVariablePattern}}; }

json::object words_or_variable(const std::vector<std::string>& words) {
    return {{"anyOf", {one_of_words(words), variable()}}};
}

json::object text_of(const std::string& pattern) {
    json::object out{{"type", "string"}};
    if (pattern.empty()) {
        out["minLength"] = 1;
    } else {
        out["pattern"] = or_variable(pattern);
    }
    return out;
}

json::object list_of(const std::string& pattern) { return {{"type", "array"}, {"items", text_of(pattern)}}; }

json::object reference(const char* name) { return {{"$ref", std::string("#/$defs/") + name}}; }

// Zero needs no unit, and YAML reads it as a number.
json::object duration_of(std::uint64_t min) { return reference(min == 0 ? "duration" : "positive_duration"); }

json::object size_of(const ValueForm& form) {
    return {{"type", {"string", "integer"}},
            {"pattern", or_variable(size_pattern())},
            {"minimum", form.min},
            {"maximum", form.max}};
}

json::object number_of(const ValueForm& form) {
    if (!form.numbers.empty()) {
        json::array list;
        for (const std::uint64_t number : form.numbers) list.push_back(number);
        return {{"anyOf", {json::object{{"enum", std::move(list)}}, variable()}}};
    }
    return {
        {"type", {"integer", "string"}}, {"pattern", kVariablePattern}, {"minimum", form.min}, {"maximum", form.max}};
}

json::object header_lines(const ValueForm& form) {
    json::object names;
    names["pattern"] = form.pattern;
    const json::object line{{"type", {"string", "number", "boolean"}}};
    json::object value{{"anyOf", {line, json::object{{"type", "array"}, {"items", line}}}}};
    return {
        {"type", {"object", "null"}}, {"propertyNames", std::move(names)}, {"additionalProperties", std::move(value)}};
}

// YAML reads 503 as a number and 5xx as text.
json::object statuses(const ValueForm& form) {
    json::object item{
        {"type", {"string", "integer"}}, {"pattern", form.pattern}, {"minimum", form.min}, {"maximum", form.max}};
    return {{"type", "array"}, {"items", std::move(item)}};
}

json::object status_durations(const ValueForm& form) {
    json::object statuses;
    statuses[kStatusPattern] = duration_of(form.min);
    return {{"type", {"object", "null"}}, {"patternProperties", std::move(statuses)}, {"additionalProperties", false}};
}

// A pattern of digits alone is a number to YAML, `true` a boolean; the loader reads the text.
json::object name_patterns(const ValueForm& form) {
    json::object names;
    names["pattern"] = form.pattern;
    json::object value{{"type", {"string", "number", "boolean"}}};
    return {
        {"type", {"object", "null"}}, {"propertyNames", std::move(names)}, {"additionalProperties", std::move(value)}};
}

json::object cache_control() {
    json::object statuses;
    statuses[kAnyStatusPattern] = text_of("");
    json::object by_status{
        {"type", {"object", "null"}}, {"patternProperties", std::move(statuses)}, {"additionalProperties", false}};
    json::object members{{"value", text_of("")}, {"when_status", std::move(by_status)}};
    json::object mapping{
        {"type", "object"}, {"properties", std::move(members)}, {"additionalProperties", false}, {"minProperties", 1}};
    return {{"anyOf", {text_of(""), std::move(mapping)}}};
}

json::object error_pages(const ValueForm& form) {
    const auto range = [](int min, int max) {
        return json::object{{"type", "integer"}, {"minimum", min}, {"maximum", max}};
    };
    const json::object sent{
        {"anyOf", {range(200, 200), range(400, 411), range(413, 415), range(417, 599), variable()}}};
    json::object members{{"page", text_of(form.pattern)}, {"status", sent}};
    json::object page{{"type", "object"},
                      {"properties", std::move(members)},
                      {"required", json::array{"page"}},
                      {"additionalProperties", false}};
    json::object statuses;
    statuses[kPageStatusPattern] = std::move(page);
    return {{"type", {"object", "null"}}, {"patternProperties", std::move(statuses)}, {"additionalProperties", false}};
}

json::object selection_of(const ValueForm& form) {
    json::object names{{"allow", list_of(form.pattern)}};
    if (form.except) names["except"] = list_of(form.pattern);
    json::array forms;
    forms.push_back(one_of_words(form.words));
    forms.push_back(variable());
    if (form.list) forms.push_back(list_of(form.pattern));
    json::object one_list{{"type", "object"},
                          {"properties", std::move(names)},
                          {"additionalProperties", false},
                          {"minProperties", 1},
                          {"maxProperties", 1}};
    forms.push_back(std::move(one_list));
    return {{"anyOf", std::move(forms)}};
}

// A list of one in braces is a list for some compilers and its item for others.
json::array names_of_one(const char* name) {
    json::array out;
    out.push_back(json::string(name));
    return out;
}

// A mapping of that one member.
json::object one_member(const char* name, json::object value) {
    json::object members;
    members[name] = std::move(value);
    return {{"type", "object"},
            {"properties", std::move(members)},
            {"required", names_of_one(name)},
            {"additionalProperties", false}};
}

json::object ignored_names(const ValueForm& form) {
    json::object members{{"ignore", list_of(form.pattern)}};
    return {{"type", "object"},
            {"properties", std::move(members)},
            {"required", json::array{"ignore"}},
            {"additionalProperties", false}};
}

json::object form_of(const ValueForm& form) {
    switch (form.kind) {
    case Kind::Text: return text_of(form.pattern);
    case Kind::Duration: return duration_of(form.min);
    case Kind::Size: return size_of(form);
    case Kind::Number: return number_of(form);
    case Kind::Boolean: return words_or_variable({"true", "false", "on", "off"});
    case Kind::Word: return words_or_variable(form.words);
    case Kind::Texts: return list_of(form.pattern);
    case Kind::Selection: return selection_of(form);
    case Kind::StatusDurations: return status_durations(form);
    case Kind::NamePatterns: return name_patterns(form);
    case Kind::Statuses: return statuses(form);
    case Kind::HeaderLines: return header_lines(form);
    case Kind::SliceSize: return one_member("slice", size_of(form));
    case Kind::LongestWait: return {{"anyOf", {variable(), one_member("max_wait", duration_of(form.min))}}};
    case Kind::CacheControl: return cache_control();
    case Kind::IgnoredNames: return ignored_names(form);
    case Kind::ErrorPages: return error_pages(form);
    case Kind::Names: return {{"anyOf", {text_of(""), list_of("")}}};
    }
    return {};
}

// A default that is told in words, such as "not set", is no value.
std::optional<json::value> default_of(const FieldDescription& field) {
    const std::string& text = field.default_text;
    if (field.form.kind == Kind::Statuses) {
        json::array list;
        for (const std::string& item : field.form.default_items) list.push_back(std::stoi(item));
        return list;
    }
    if (field.required) return std::nullopt;
    if (field.form.kind == Kind::Texts) {
        json::array list;
        for (const std::string& item : field.form.default_items) list.push_back(json::string(item));
        return list;
    }
    if (text == "{}") return json::object();
    if (text.empty() || text.find(' ') != std::string::npos) return std::nullopt;
    if (field.form.kind == Kind::Boolean) return word(text);
    const bool is_number = text.find_first_not_of("0123456789") == std::string::npos;
    if (field.form.kind == Kind::Number && is_number) return json::value(std::stoull(text));
    return json::string(text);
}

// What an editor shows beside the field.
std::string hover_text(const FieldDescription& field) {
    std::string out = field.sentence;
    if (field.shape == FieldShape::Value) out += " Accepted: " + field.accepted + ".";
    if (field.required) out += " Required.";
    if (!field.default_text.empty()) out += " Default: " + field.default_text + ".";
    return out;
}

json::object members_below(const std::string& prefix);

json::object schema_of(const FieldDescription& field) {
    switch (field.shape) {
    case FieldShape::Value: return form_of(field.form);
    case FieldShape::Mapping: return members_below(field.path + ".");
    case FieldShape::NamedMappings: {
        json::object names;
        names["pattern"] = kNamePattern;
        json::object out{{"type", "object"},
                         {"propertyNames", std::move(names)},
                         {"additionalProperties", members_below(field.path + ".<name>.")}};
        if (field.required) out["minProperties"] = 1;
        return out;
    }
    case FieldShape::ListOfMappings: {
        json::object out{{"type", "array"}, {"items", members_below(field.path + "[].")}};
        if (field.required) out["minItems"] = 1;
        return out;
    }
    }
    return {};
}

// A value that may also be one of a few words: `workers: auto`, `access_log: off`.
json::object with_words(const FieldDescription& field, json::object schema) {
    if (field.form.words.empty() || field.form.kind == Kind::Word || field.form.kind == Kind::Selection) return schema;
    const bool is_mapping = field.shape != FieldShape::Value;
    return {{"anyOf",
             {is_mapping ? words_or_variable(field.form.words) : one_of_words(field.form.words), std::move(schema)}}};
}

json::object described(const FieldDescription& field) {
    json::object out{{"description", hover_text(field)}};
    for (auto& member : with_words(field, schema_of(field))) out.insert(member);
    // No keyword of JSON Schema, but what editors show instead of the pattern.
    if (out.contains("pattern")) out["patternErrorMessage"] = "expected " + field.accepted;
    if (field.shape != FieldShape::Value) return out;
    if (auto value = default_of(field)) out["default"] = std::move(*value);
    return out;
}

bool is_directly_below(const std::string& path, const std::string& prefix) {
    return path.size() > prefix.size() && path.compare(0, prefix.size(), prefix) == 0 &&
           path.find_first_of(".[", prefix.size()) == std::string::npos;
}

json::object members_below(const std::string& prefix) {
    json::object properties;
    json::array required;
    for (const FieldDescription& field : field_descriptions()) {
        if (!is_directly_below(field.path, prefix)) continue;
        const std::string name = field.path.substr(prefix.size());
        properties[name] = described(field);
        if (field.required) required.push_back(json::string(name));
    }
    // A mapping with nothing in it counts as empty, which those with required fields cannot be.
    json::object out;
    if (required.empty()) {
        out["type"] = json::array{"object", "null"};
    } else {
        out["type"] = "object";
        out["required"] = std::move(required);
    }
    out["properties"] = std::move(properties);
    out["additionalProperties"] = false;
    return out;
}

// A file without listeners is taken for one that others include, and what includes others may have the rest from them.
void require_the_whole(json::object& schema) {
    json::object includes;
    includes["required"] = names_of_one("include");
    includes["properties"].emplace_object()["include"] = json::object{{"type", "array"}, {"minItems", 1}};
    json::object has_listeners;
    has_listeners["required"] = names_of_one("listeners");
    has_listeners["not"] = std::move(includes);
    schema["if"] = std::move(has_listeners);
    json::array required;
    for (const FieldDescription& field : field_descriptions()) {
        const bool is_at_top = field.path.find_first_of(".[") == std::string::npos;
        if (is_at_top && field.required && field.path != "listeners") required.push_back(json::string(field.path));
    }
    schema["then"].emplace_object()["required"] = std::move(required);
}

json::object definitions() {
    const json::object positive{{"type", "string"},
                                {"pattern", or_variable(duration_pattern())},
                                {"patternErrorMessage", "expected a duration such as 250ms, 10s, 1h30m"}};
    json::object any = positive;
    any["type"] = json::array{"string", "integer"};
    any["minimum"] = 0;
    any["maximum"] = 0;
    return {{"duration", std::move(any)}, {"positive_duration", positive}};
}

// --- text ------------------------------------------------------------------------------------------------------

bool holds_mappings(const json::array& list) {
    for (const json::value& item : list) {
        if (item.is_object()) return true;
    }
    return false;
}

// Objects a member to a line, and lists of plain values on one line.
void print(std::string& out, const json::value& value, const std::string& indent) {
    const std::string inner = indent + "  ";
    const char* separator = "\n";
    if (const json::object* object = value.if_object(); object != nullptr && !object->empty()) {
        out += '{';
        for (const auto& member : *object) {
            out += separator + inner + json::serialize(json::string(member.key())) + ": ";
            print(out, member.value(), inner);
            separator = ",\n";
        }
        out += "\n" + indent + '}';
    } else if (const json::array* list = value.if_array(); list != nullptr && holds_mappings(*list)) {
        out += '[';
        for (const json::value& item : *list) {
            out += separator + inner;
            print(out, item, inner);
            separator = ",\n";
        }
        out += "\n" + indent + ']';
    } else {
        out += json::serialize(value);
    }
}

} // namespace

std::string json_schema() {
    json::object schema{{"$schema", "https://json-schema.org/draft/2020-12/schema"},
                        {"title", "Gatehouse"},
                        {"description", "The configuration of Gatehouse, a caching HTTP reverse proxy."}};
    for (auto& member : members_below("")) {
        if (member.key() != "required") schema.insert(member);
    }
    require_the_whole(schema);
    schema["$defs"] = definitions();
    std::string out;
    print(out, schema, "");
    return out + "\n";
}

} // namespace gatehouse::config
