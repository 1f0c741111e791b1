// Keyword by keyword, in the words of the specification's validation vocabulary.
#include "tests/unit/config/schema_checker.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/string.hpp>

#include <algorithm>
#include <cstdint>
#include <map>
#include <regex>
#include <set>
#include <utility>

namespace gatehouse::config::testing {
namespace {

namespace json = boost::json;
using Kind = DocumentNode::Kind;

// A scalar as YAML's core schema types it. The tree does not know quotes, which no file needs around a number here.
json::value typed(const std::string& scalar) {
    if (scalar == "true" || scalar == "false") return scalar == "true";
    const bool digits = !scalar.empty() && scalar.find_first_not_of("0123456789") == std::string::npos;
    if (digits && scalar.size() < 18) return std::stoll(scalar);
    return json::string(scalar);
}

std::string type_name(const DocumentNode& node) {
    switch (node.kind) {
    case Kind::Nothing: return "null";
    case Kind::List: return "array";
    case Kind::Mapping: return "object";
    case Kind::Scalar:
    case Kind::Unusable: break; // only where variables are put in, which a schema does not see
    }
    const json::value value = typed(node.scalar);
    return value.is_bool() ? "boolean" : value.is_int64() ? "integer" : "string";
}

bool has_type(const json::value& rule, const DocumentNode& node) {
    const std::string name = type_name(node);
    const auto is_it = [&name](const json::value& one) {
        return one.as_string() == name || (one.as_string() == "number" && name == "integer");
    };
    if (rule.is_string()) return is_it(rule);
    const json::array& names = rule.as_array();
    return std::any_of(names.begin(), names.end(), is_it);
}

bool matches(const json::value& pattern, const std::string& text) {
    static std::map<std::string, std::regex> compiled; // making one costs more than all its searches
    const std::string source(pattern.as_string());
    return std::regex_search(text, compiled.try_emplace(source, source, std::regex::ECMAScript).first->second);
}

bool is_one_of(const json::value& list, const DocumentNode& node) {
    if (node.kind != Kind::Scalar) return false;
    const json::array& values = list.as_array();
    return std::find(values.begin(), values.end(), typed(node.scalar)) != values.end();
}

bool is_in_range(const DocumentNode& node, std::int64_t min, std::int64_t max) {
    if (type_name(node) != "integer") return true;
    const std::int64_t value = typed(node.scalar).as_int64();
    return value >= min && value <= max;
}

bool has_member(const DocumentNode& node, std::string_view name) {
    return std::any_of(node.members.begin(), node.members.end(),
                       [name](const Member& member) { return member.key == name; });
}

bool has_members(const json::value& names, const DocumentNode& node) {
    if (node.kind != Kind::Mapping) return true;
    const json::array& list = names.as_array();
    return std::all_of(list.begin(), list.end(), [&node](const json::value& name) {
        return has_member(node, std::string_view(name.as_string()));
    });
}

// Keywords that say nothing about validity, or are looked at with the members and items below.
const std::set<std::string_view> kOtherKeywords{"$schema",
                                                "$defs",
                                                "title",
                                                "description",
                                                "default",
                                                "$ref",
                                                "items",
                                                "properties",
                                                "patternProperties",
                                                "additionalProperties",
                                                "patternErrorMessage",
                                                "if",
                                                "then"};

// The schema of a member; null when no keyword speaks about it.
const json::value* schema_of_member(const json::object& schema, const std::string& name) {
    if (const json::value* properties = schema.if_contains("properties")) {
        if (const json::value* found = properties->as_object().if_contains(name)) return found;
    }
    if (const json::value* patterns = schema.if_contains("patternProperties")) {
        for (const auto& one : patterns->as_object()) {
            if (matches(json::string(one.key()), name)) return &one.value();
        }
    }
    return schema.if_contains("additionalProperties");
}

} // namespace

std::vector<std::string> SchemaChecker::check(const DocumentNode& document) const {
    std::vector<std::string> wrong;
    check(schema_, document, "", wrong);
    return wrong;
}

bool SchemaChecker::obeys(std::string_view keyword, const Value& rule, const DocumentNode& node) const {
    const bool text = type_name(node) == "string";
    const auto number = [&rule] { return rule.to_number<std::int64_t>(); };
    const auto count = [](const auto& of) { return static_cast<std::int64_t>(of.size()); };
    if (keyword == "type") return has_type(rule, node);
    if (keyword == "enum") return is_one_of(rule, node);
    if (keyword == "pattern") return !text || matches(rule, node.scalar);
    if (keyword == "minLength") return !text || count(node.scalar) >= number();
    if (keyword == "minimum") return is_in_range(node, number(), INT64_MAX);
    if (keyword == "maximum") return is_in_range(node, INT64_MIN, number());
    if (keyword == "required") return has_members(rule, node);
    if (keyword == "minItems") return node.kind != Kind::List || count(node.items) >= number();
    if (keyword == "minProperties") return node.kind != Kind::Mapping || count(node.members) >= number();
    if (keyword == "maxProperties") return node.kind != Kind::Mapping || count(node.members) <= number();
    if (keyword == "propertyNames") {
        return std::all_of(node.members.begin(), node.members.end(), [&rule](const Member& member) {
            return matches(rule.as_object().at("pattern"), member.key);
        });
    }
    if (keyword == "not") return !fits(rule, node);
    if (keyword == "anyOf") {
        const json::array& forms = rule.as_array();
        return std::any_of(forms.begin(), forms.end(), [this, &node](const Value& form) { return fits(form, node); });
    }
    return kOtherKeywords.count(keyword) != 0;
}

bool SchemaChecker::fits(const Value& schema, const DocumentNode& node) const {
    std::vector<std::string> wrong;
    check(schema, node, "", wrong);
    return wrong.empty();
}

void SchemaChecker::check(const Value& schema, const DocumentNode& node, const std::string& path,
                          std::vector<std::string>& wrong) const {
    if (const bool* all = schema.if_bool()) {
        if (!*all) wrong.push_back(path + ": nothing may stand here");
        return;
    }
    const json::object& rules = schema.as_object();
    for (const auto& rule : rules) {
        const std::string keyword(rule.key());
        if (!obeys(keyword, rule.value(), node)) wrong.push_back(path + ": " + keyword);
    }
    if (const Value* reference = rules.if_contains("$ref")) {
        const std::string name(reference->as_string());
        check(schema_.as_object().at("$defs").as_object().at(name.substr(name.rfind('/') + 1)), node, path, wrong);
    }
    const Value* condition = rules.if_contains("if");
    if (condition != nullptr && fits(*condition, node)) check(rules.at("then"), node, path, wrong);
    check_below(rules, node, path, wrong);
}

void SchemaChecker::check_below(const json::object& schema, const DocumentNode& node, const std::string& path,
                                std::vector<std::string>& wrong) const {
    for (const Member& member : node.members) {
        const Value* below = schema_of_member(schema, member.key);
        if (below != nullptr) check(*below, *member.value, path + "." + member.key, wrong);
    }
    const Value* items = schema.if_contains("items");
    for (std::size_t i = 0; items != nullptr && i < node.items.size(); ++i) {
        check(*items, *node.items[i], path + "[" + std::to_string(i) + "]", wrong);
    }
}

} // namespace gatehouse::config::testing
