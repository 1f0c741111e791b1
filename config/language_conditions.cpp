// The conditions of a behavior: what a request must be like beside its path.
#include "config/language.h"

#include "http/ascii.h"

#include <algorithm>

namespace gatehouse::config {
namespace {

constexpr std::string_view kTokenPattern = "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$";
constexpr TextRule kFieldName{"a field name", http::is_token, kTokenPattern};
constexpr TextRule kMethod{"a method such as GET", http::is_token, kTokenPattern};

bool is_host_pattern(std::string_view text) {
    return text.size() <= 255 && std::all_of(text.begin(), text.end(), [](char c) {
               const bool is_alphanumeric = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
               return is_alphanumeric || std::string_view("-_.*?:[]").find(c) != std::string_view::npos;
           });
}

bool is_whole_parameter_name(std::string_view text) {
    return is_parameter_name(text) && text.find_first_of("*&=#") == std::string_view::npos;
}

// A field that maps names to patterns of values.
Field<RequestConditions> name_patterns(Name name, std::vector<NamePattern> RequestConditions::*member, TextRule rule) {
    Field<RequestConditions> field;
    field.description = {
        name.name, "patterns by name", "not set", name.sentence,
        "a mapping from " + std::string(rule.expected) + " to a pattern, `*` for any run of characters"};
    field.description.form.kind = ValueForm::Kind::NamePatterns;
    field.description.form.pattern = rule.pattern;
    field.read = [member, rule](const Spot& spot, Findings& findings, RequestConditions& out) {
        if (auto value = read_name_patterns(spot, findings, rule)) out.*member = std::move(*value);
    };
    return field;
}

} // namespace

const Record<RequestConditions>& condition_fields() {
    using Conditions = RequestConditions;
    static const Record<Conditions> kFields{
        texts<Conditions>(
            {"hosts", "The request is for one of these hosts; a pattern without a port is for every port."},
            &Conditions::hosts,
            {"a host in lower case, `*` for any run of characters, such as *.example.com", is_host_pattern,
             "^[a-z0-9_.*?:\\[\\]-]{1,255}$"}),
        texts<Conditions>({"methods", "The request has one of these methods."}, &Conditions::methods, kMethod),
        name_patterns({"headers", "The request has each of these fields, with such a value in one of its "
                                  "lines."},
                      &Conditions::headers, kFieldName),
        texts<Conditions>({"without_headers", "The request has none of these fields."}, &Conditions::without_headers,
                          kFieldName),
        name_patterns({"query_strings", "The URL has each of these query parameters, with such a value; "
                                        "both are compared as the URL writes them."},
                      &Conditions::query_strings,
                      {"the name of a query parameter", is_whole_parameter_name, "^[^\\x00-\\x20\\x7f*&=#]+$"}),
    };
    return kFields;
}

} // namespace gatehouse::config
